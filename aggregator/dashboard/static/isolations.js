// Who is cut off: letting go with an authenticator's code, cutting off from an alert.

import { Part } from "./loading.js";
import { endOf, forgetOrders, hasFailed, isOver, listOrders, orderAbout, readOrders, takeOrder, wordsOf } from "./orders.js";
import { byId, exactTime, make, notify, say, showStanding } from "./view.js";

const OPERATES = new Set(["operator", "admin"]);
const BY_HAND_S = 600;
const isolations = new Map(); // by number; those that hold
let shown = ""; // what the list says
let showList = () => {}; // or that it is empty, or unknown
let showOrderOfAlert = () => {}; // in the alert that is shown

export const mayOperate = (session) => OPERATES.has(session.user.role);

// What the page reads of this: who is cut off, and how far open orders are.
export function isolationParts(session) {
  const list = new Part("who is cut off", () => session.get("/ports/isolations?limit=1000"), (those) => {
    isolations.clear();
    for (const one of those) isolations.set(one.id, one);
  });
  const open = new Part("orders under way", () => readOrders(session), (those) => those.forEach((one) => takeCommand(session, one)));
  showList = () => showStanding("isolations", list, byId("isolations").children.length);
  return [list, open];
}

export function forgetIsolations() {
  isolations.clear();
  forgetOrders();
}

export function takeIsolation(session, isolation) {
  if (isolation.is_active) isolations.set(isolation.id, isolation);
  else isolations.delete(isolation.id);
  showIsolations(session);
}

export function takeCommand(session, command) {
  takeOrder(command);
  showIsolations(session);
}

export function showIsolations(session) {
  const now = Date.now();
  for (const [id, one] of isolations) if (new Date(one.expires_at).getTime() <= now) isolations.delete(id);
  const those = [...isolations.values()];
  const known = new Set(those.map(orderAbout));
  const more = listOrders().filter((order) => order.command === "isolate" && order.state !== "verified" && !known.has(order));
  const wanted = JSON.stringify([those, those.map(orderAbout), more]);
  if (wanted !== shown) { // or a click or the keyboard's focus is lost
    byId("isolations").replaceChildren(...those.map((one) => item(session, one)), ...more.map(orderItem));
    shown = wanted;
  }
  showList();
  showOrderOfAlert();
}

function item(session, one) {
  const order = orderAbout(one);
  const lift = mayOperate(session)
    ? make("button", { type: "button", onclick: () => askForCode(session, one).catch((error) => notify(error.message)) }, "Let go")
    : null;
  return make(
    "li", { "data-isolation": one.isolation_id },
    make("div", {},
      make("p", { class: "mono" }, nameOf(one), one.enforcement === "dry_run" ? " (dry run: not cut off)" : null),
      make("p", { class: "muted" }, `${one.reason} · ${one.device_id}, by ${one.enforcement} · until ${exactTime(one.expires_at)}`),
      order && order.state !== "verified" ? orderLine(order) : null),
    lift,
  );
}

// An order to cut off of which no isolation has come yet.
function orderItem(order) {
  const { mac, ip, bridge_port, reason } = order.parameters;
  const name = nameOf({ isolated_mac: mac, isolated_ip: ip, isolated_port: bridge_port });
  return make("li", { "data-isolation": order.isolation_id },
    make("div", {}, make("p", { class: "mono" }, name), make("p", { class: "muted" }, `${reason} · ${order.device_id}`), orderLine(order)));
}

const orderLine = (order) => make("p", { class: hasFailed(order) ? "order error" : "order" }, wordsOf(order));

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
  ask(`Let ${nameOf(one)} go`, "The code shown by your authenticator, or a recovery code.", code, "Let go", async (line) => {
    const answer = await session.request("POST", `/ports/lift-isolation/${one.id}`, { authorization_code: code.value });
    code.value = ""; // it is used up
    const order = orderOf(one.device_id, "release", answer);
    takeCommand(session, order);
    if (answer.isolation) takeIsolation(session, answer.isolation);
    if (isOver(order)) return answer.message;
    say(line, `Not let go yet: ${answer.message}`);
    const end = await endOf(order);
    if (hasFailed(end)) throw new Error(wordsOf(end));
    return `${nameOf(one)} was let go`;
  });
}

// The order that an answer tells of.
function orderOf(deviceId, command, { command_id, isolation_id, state, message }) {
  const order = { command, command_id, isolation_id, device_id: deviceId, state, detail: "" };
  return state === "verified" ? { ...order, said: message } : order;
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

// One question in the dialog; `answer` does it and returns what to say, or asks the next one. It is
// given the line where it may say how far it is.
function ask(title, words, field, label, answer) {
  const dialog = byId("question");
  const line = make("p", { role: "alert" });
  const button = make("button", { type: "submit", class: "primary" }, label);
  const form = make(
    "form", { class: "detail question", onsubmit: submit },
    make("header", {}, make("div", {}, make("h2", { id: "question-title" }, title)),
      make("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => dialog.close() }, "✕")),
    make("p", {}, words), field, line, button,
  );
  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    say(line, "");
    try {
      const words = await answer(line);
      if (form.isConnected) dialog.close();
      if (words) notify(words);
    } catch (error) {
      say(line, error.message, true);
      button.disabled = false;
      if (!dialog.open || !form.isConnected) notify(error.message);
    }
  }
  dialog.replaceChildren(form);
  if (!dialog.open) dialog.showModal();
  form.querySelector("input")?.focus();
}

// ---- cutting off

// The button, and in `line` how far what it asked for has come.
export function isolateButton(session, alert, line) {
  if (!mayOperate(session) || !alert.src_mac) return null;
  const body = { device_id: alert.device_id, mac: alert.src_mac, duration_s: BY_HAND_S, reason: `${alert.attack_type}, by hand` };
  const button = make("button", { type: "button", onclick: isolate }, "Cut off for 10 min");
  async function isolate() {
    if (!window.confirm(`Cut ${alert.src_mac} off for ten minutes?`)) return;
    button.disabled = true;
    say(line, `Asking ${alert.device_id} …`);
    try {
      const answer = await session.request("POST", "/ports/isolate", body);
      if (answer.isolation) takeIsolation(session, answer.isolation);
      takeCommand(session, { ...orderOf(alert.device_id, "isolate", answer), parameters: body });
    } catch (error) {
      say(line, error.message, true);
      button.disabled = false;
    }
  }
  showOrderOfAlert = () => {
    const order = listOrders().findLast((one) =>
      one.command === "isolate" && one.device_id === alert.device_id && one.parameters.mac === alert.src_mac);
    if (!order) return;
    const isDry = !order.said && [...isolations.values()].some((one) => orderAbout(one) === order && one.enforcement === "dry_run");
    say(line, `${wordsOf(order)}${isDry ? " (dry run: not cut off)" : ""}`, hasFailed(order));
    button.disabled = !isOver(order);
  };
  showOrderOfAlert();
  return button;
}
