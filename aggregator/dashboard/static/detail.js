// One alert with its reasons, and what a person may decide about it.

import { isolateButton, partOf } from "./isolations.js";
import { STATUS_WORDS, amount, byId, className, count, exactTime, make, severity, span, time } from "./view.js";

const BENIGN = "benign";
const DECIDES = new Set(["analyst", "operator", "admin"]);
const MITIGATION_WORDS = {
  simulated: "simulated only: nobody was cut off",
  suggested: "suggested: waits for a person",
  applied: "applied, not yet read back",
  verified: "cut off, read back from the kernel",
  lifted: "lifted",
  expired: "expired",
  failed: "failed",
};

const SHOWN_VERDICTS = 8;

let shown = null;

export const shownAlert = () => shown;

export async function showAlert(session, alertId, onChanged) {
  const [alert, verdicts] = await read(session, alertId);
  const dialog = byId("detail");
  shown = alertId;
  dialog.replaceChildren(content(session, alert, verdicts, onChanged));
  if (!dialog.open) dialog.showModal();
}

// What changed is shown only while its alert still is: it may have been closed in the meantime.
export async function refreshAlert(session, alertId, onChanged) {
  const [alert, verdicts] = await read(session, alertId);
  if (shown === alertId) byId("detail").replaceChildren(content(session, alert, verdicts, onChanged));
}

async function read(session, alertId) {
  const alert = await session.get(`/alerts/${alertId}`);
  const whose = new URLSearchParams({ host: alert.host, device_id: alert.device_id, limit: SHOWN_VERDICTS });
  return [alert, await session.get(`/verdicts?${whose}`)];
}

export function setUpDetail() {
  const dialog = byId("detail");
  dialog.addEventListener("close", () => { shown = null; });
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
}

function content(session, alert, verdicts, onChanged) {
  const close = make("button", { type: "button", class: "quiet", "aria-label": "Close" , onclick: () => byId("detail").close() }, "✕");
  return make(
    "article", { class: "detail" },
    make(
      "header", {},
      make("div", {}, severity(alert.severity), make("h2", { id: "detail-title" }, className(alert.attack_type)),
        make("p", { class: "muted" }, `This host ${alert.meaning}.`)),
      close,
    ),
    actions(session, alert, onChanged),
    make("h3", {}, "Why"),
    reasons(alert.top_features),
    counterfactual(alert.counterfactual),
    make("h3", {}, "What"),
    facts(alert),
    make("h3", {}, "Latest verdicts on this host"),
    verdictList(verdicts),
    make("h3", {}, "What was done"),
    mitigations(alert.mitigation_details),
  );
}

function actions(session, alert, onChanged) {
  const word = make("p", { class: "muted toast", role: "status" });
  const order = make("p", { class: "toast", role: "status" });
  if (!DECIDES.has(session.user.role)) {
    word.textContent = "Your role may look, not decide.";
    return word;
  }
  const decide = (status, label, kind) => make("button", {
    type: "button", class: kind, disabled: alert.status === status,
    onclick: async (event) => {
      event.target.disabled = true;
      try {
        await onChanged(await session.request("PATCH", `/alerts/${alert.alert_id}`, { status }));
        await refreshAlert(session, alert.alert_id, onChanged);
      } catch (error) {
        word.textContent = error.message;
        event.target.disabled = false;
      }
    },
  }, label);
  return make("div", {}, make(
    "div", { class: "actions" },
    decide("acknowledged", "Acknowledge", "primary"),
    decide("false_positive", "False positive", ""),
    decide("resolved", "Resolve", ""),
    alert.status === "active" ? null : decide("active", "Reopen", "quiet"),
    isolateButton(session, alert, order),
  ), word, order);
}

function reasons(features) {
  if (!features.length) return make("p", { class: "muted" }, "The device gave no reasons.");
  const most = Math.max(...features.map((feature) => Math.abs(feature.contribution))) || 1;
  return make("ol", { class: "reasons" }, ...features.map((feature) => {
    const usual = feature.usual === null ? "" : `, usually ${amount(feature.usual)}`;
    const speaks = feature.contribution >= 0 ? "speaks for" : "speaks against";
    const bar = make("span", { class: feature.contribution >= 0 ? "" : "against" });
    bar.style.width = `${Math.max(2, (Math.abs(feature.contribution) / most) * 100)}%`;
    return make(
      "li", {},
      make("p", { class: "words" }, feature.words || feature.feature),
      make("p", { class: "numbers" }, `${amount(feature.value)} ${feature.unit}${usual} · ${speaks} (${feature.contribution >= 0 ? "+" : ""}${amount(feature.contribution)}) · `,
        make("code", {}, feature.feature)),
      make("div", { class: "push", "aria-hidden": "true" }, bar),
    );
  }));
}

function counterfactual(words) {
  if (!words?.length) return null;
  return make("p", { class: "muted" }, `Benign would have been: ${words.join("; ")}.`);
}

function facts(alert) {
  const mono = (text) => (text ? make("span", { class: "mono" }, text) : "–");
  const rows = [
    ["Status", `${STATUS_WORDS[alert.status] ?? alert.status}${alert.state === "open" ? ", still going on" : ", over"}`],
    ["Status until", alert.expires_at ? exactTime(alert.expires_at) : null],
    ["Host", mono(alert.host)],
    ["From", mono(alert.src_ip)],
    ["To", mono(alert.dst_ip)],
    ["Flow", alert.flow ? mono(flowText(alert.flow)) : null],
    ["Community ID", alert.community_id ? mono(alert.community_id) : null],
    ["Bridge port", alert.bridge_port ? mono(alert.bridge_port) : null],
    ["Confidence", `${(alert.confidence * 100).toFixed(1)} %`],
    ["First seen", exactTime(alert.first_seen_at)],
    ["Detected", exactTime(alert.detected_at)],
    ["Last seen", exactTime(alert.last_seen_at)],
    ["Clock", alert.clock_offset_s ? clockText(alert.clock_offset_s) : null],
    ["Windows", `${count(alert.windows)} of one second, ${count(alert.packets)} packets`],
    ["Techniques", [...alert.techniques, ...alert.ics_techniques].join(", ") || "–"],
    ["Seen by", alert.device_id],
    ["Model", mono(alert.model_id)],
    ["Notes", alert.notes],
  ].filter(([, value]) => value !== null && value !== undefined);
  return make("dl", { class: "facts" }, ...rows.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]));
}

function clockText(offset_s) {
  return `the device's was ${span(Math.abs(offset_s))} ${offset_s > 0 ? "behind" : "ahead"}: these times are corrected`;
}

// "192.168.1.7:40000 → 192.168.1.1:502 tcp, 17 packets"; of ICMP the ports are type and code.
function flowText(flow) {
  const names = { 1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6" };
  const name = names[flow.protocol] ?? `protocol ${flow.protocol}`;
  const packets = `${count(flow.packets)} packets`;
  if (flow.protocol !== 6 && flow.protocol !== 17) {
    const kind = flow.protocol in names ? ` type ${flow.src_port} code ${flow.dst_port}` : "";
    return `${flow.src_ip} → ${flow.dst_ip} ${name}${kind}, ${packets}`;
  }
  const at = (ip, port) => (ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`);
  return `${at(flow.src_ip, flow.src_port)} → ${at(flow.dst_ip, flow.dst_port)} ${name}, ${packets}`;
}

function verdictList(verdicts) {
  if (!verdicts.length) return make("p", { class: "muted" }, "None of the last days.");
  return make("ul", { class: "verdicts" }, ...verdicts.map((verdict) => make(
    "li", { class: verdict.unsure ? "unsure" : verdict.label === BENIGN ? "benign" : "" },
    make("time", { datetime: verdict.window_end, title: exactTime(verdict.window_end) }, time(verdict.window_end)),
    make("span", {}, verdictWords(verdict)),
  )));
}

// "Not sure: perhaps Scan (41 %), benign 35 %": an attack is likelier than benign, but not likely enough.
function verdictWords({ label, unsure, confidence, scores }) {
  const percent = (share) => `${Math.round(share * 100)}\u00a0%`;
  if (!unsure) return `${label === BENIGN ? "Benign" : className(label)} (${percent(confidence)})`;
  const [likeliest, score] = Object.entries(scores).reduce((most, each) => (each[1] > most[1] ? each : most));
  return `Not sure: perhaps ${className(likeliest)} (${percent(score)}), benign ${percent(scores[BENIGN] ?? 0)}; no alert`;
}

function mitigations(details) {
  if (!details.length) return make("p", { class: "muted" }, "Nothing: the device only watched.");
  return make("ul", { class: "meter-list" }, ...details.map((one) => make(
    "li", {},
    make("span", {}, [MITIGATION_WORDS[one.state] ?? one.state, partOf(one)].filter(Boolean).join(": ")),
    make("span", { class: "muted" }, `by ${one.enforcement}, until ${exactTime(one.expires_at)}`),
    one.notes ? make("span", { class: "muted" }, one.notes) : null,
    lossesOf(one),
  )));
}

// What is taken away: "02:…:0a (192.168.1.10) tcp/502".
function lossesOf(one) {
  if (!one.losses.length) return null;
  const named = one.losses.map((loss) => {
    const service = loss.port ? `${loss.protocol}/${loss.port}` : loss.protocol;
    const peer = loss.peer_ip ? `${loss.peer_ip} (${loss.peer_mac})` : loss.peer_mac;
    return loss.serves ? `${service} for ${peer}` : `${service} of ${peer}`;
  });
  const further = one.further_losses ? `, and ${one.further_losses} more` : "";
  return make("span", { class: "muted" }, `Takes away: ${named.join(", ")}${further}`);
}
