// Who is cut off: letting go with an authenticator's code, cutting off from an alert.

import { Part } from "./loading.js";
import { byId, exactTime, make, notify, showStanding } from "./view.js";

const OPERATES = new Set(["operator", "admin"]);
const BY_HAND_S = 600;
const isolations = new Map(); // by number; those that hold
let shown = ""; // what the list says
let showList = () => {}; // or that it is empty, or unknown

export const mayOperate = (session) => OPERATES.has(session.user.role);

// What the page reads of this.
export function isolationParts(session) {
  const list = new Part("who is cut off", () => session.get("/ports/isolations?limit=1000"), (those) => {
    isolations.clear();
    for (const one of those) isolations.set(one.id, one);
  });
  showList = () => showStanding("isolations", list, isolations.size);
  return [list];
}

export const forgetIsolations = () => isolations.clear();

export function takeIsolation(session, isolation) {
  if (isolation.is_active) isolations.set(isolation.id, isolation);
  else isolations.delete(isolation.id);
  showIsolations(session);
}

export function showIsolations(session) {
  const now = Date.now();
  for (const [id, one] of isolations) if (new Date(one.expires_at).getTime() <= now) isolations.delete(id);
  const those = [...isolations.values()];
  const wanted = JSON.stringify(those);
  if (wanted !== shown) { // or a click or the keyboard's focus is lost
    byId("isolations").replaceChildren(...those.map((one) => item(session, one)));
    shown = wanted;
  }
  showList();
}

function item(session, one) {
  const lift = mayOperate(session)
    ? make("button", { type: "button", onclick: () => askForCode(session, one).catch((error) => notify(error.message)) }, "Let go")
    : null;
  return make(
    "li", { "data-isolation": one.isolation_id },
    make("div", {},
      make("p", { class: "mono" }, nameOf(one), one.enforcement === "dry_run" ? " (dry run: not cut off)" : null),
      make("p", { class: "muted" }, `${one.reason} · ${one.device_id}, by ${one.enforcement} · until ${exactTime(one.expires_at)}`)),
    lift,
  );
}

const nameOf = (one) => [one.isolated_mac ?? one.isolated_ip ?? `port ${one.isolated_port}`, partOf(one)].filter(Boolean).join(", ");

// What of a host is cut off, where it is not all of it: "only with 192.168.1.5".
export function partOf(one) {
  if (!one.part) return null;
  const peer = one.part.peer_ip ?? one.part.peer_mac;
  if (one.cut === "rate") return "only slowed down";
  if (one.cut === "pair") return `only with ${peer}`;
  return `only to ${peer} at ${one.part.protocol}/${one.part.port}`;
}

// ---- letting go

async function askForCode(session, one) {
  const { enrolled } = await session.get("/auth/totp");
  if (!enrolled) return enrol(session, () => askForCode(session, one));
  const code = codeField();
  ask(`Let ${nameOf(one)} go`, "The code shown by your authenticator, or a recovery code.", code, "Let go", async () => {
    const answer = await session.request("POST", `/ports/lift-isolation/${one.id}`, { authorization_code: code.value });
    if (answer.isolation) takeIsolation(session, answer.isolation);
    return answer.message;
  });
}

// ---- an authenticator

function enrol(session, then) {
  const password = make("input", { type: "password", name: "password", autocomplete: "current-password", required: true, "aria-label": "Password" });
  ask("Set up an authenticator", "Letting somebody go takes a code of an authenticator app. Your password first:", password, "Next", async () => {
    confirm(session, await session.request("POST", "/auth/totp", { password: password.value }), then);
  });
}

function confirm(session, given, then) {
  const code = codeField();
  const secret = make("div", {},
    make("p", { class: "mono secret" }, given.secret),
    make("p", {}, make("a", { href: given.otpauth_uri }, "Open in an authenticator on this device")), code);
  ask("Set up an authenticator", "Give this secret to your authenticator app (TOTP), then type its first code.", secret, "Confirm", async () => {
    const done = await session.request("POST", "/auth/totp/confirm", { authorization_code: code.value });
    const list = make("ul", { class: "mono recovery" }, ...done.recovery_codes.map((one) => make("li", {}, one)));
    ask("Recovery codes", "Each is good once, if the authenticator is lost. They are not shown again.", list, "I have kept them", then);
  });
}

function codeField() {
  return make("input", { name: "code", autocomplete: "one-time-code", autocapitalize: "none", spellcheck: "false", maxlength: 64, required: true, "aria-label": "Code" });
}

// One question in the dialog; `answer` does it and returns what to say, or asks the next one.
function ask(title, words, field, label, answer) {
  const dialog = byId("question");
  const said = make("p", { class: "error", role: "alert" });
  const button = make("button", { type: "submit", class: "primary" }, label);
  const form = make(
    "form", { class: "detail question", onsubmit: submit },
    make("header", {}, make("div", {}, make("h2", { id: "question-title" }, title)),
      make("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => dialog.close() }, "✕")),
    make("p", {}, words), field, said, button,
  );
  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    said.textContent = "";
    try {
      const message = await answer();
      if (!form.isConnected) return; // the next question stands there
      dialog.close();
      if (message) byId("announcer").textContent = message;
    } catch (error) {
      said.textContent = error.message;
      button.disabled = false;
    }
  }
  dialog.replaceChildren(form);
  if (!dialog.open) dialog.showModal();
  form.querySelector("input")?.focus();
}

// ---- cutting off

export function isolateButton(session, alert, word) {
  if (!mayOperate(session) || !alert.src_mac) return null;
  const body = { device_id: alert.device_id, mac: alert.src_mac, duration_s: BY_HAND_S, reason: `${alert.attack_type}, by hand` };
  return make("button", {
    type: "button",
    onclick: async (event) => {
      if (!window.confirm(`Cut ${alert.src_mac} off for ten minutes?`)) return;
      event.target.disabled = true;
      word.textContent = `Asking ${alert.device_id} …`;
      try {
        word.textContent = (await session.request("POST", "/ports/isolate", body)).message;
      } catch (error) {
        word.textContent = error.message;
        event.target.disabled = false;
      }
    },
  }, "Cut off for 10 min");
}
