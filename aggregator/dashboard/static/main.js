// The live page: sign in, then alerts, counters and devices as they change.

import { drawClasses, drawTimeline } from "./charts.js";
import { refreshAlert, setUpDetail, showAlert, shownAlert } from "./detail.js";
import { forgetIsolations, isolationParts, showIsolations, takeCommand, takeIsolation } from "./isolations.js";
import { Part, troublesOf } from "./loading.js";
import { Live, Session } from "./session.js";
import { STATUS_WORDS, ago, byId, className, count, exactTime, make, meter, notify, severity, showStanding, time } from "./view.js";

const KEPT_ALERTS = 200;
const MINUTES = 60;
const MINUTE_MS = 60000;
const REFRESH_MS = 5000; // at most this often after something happened
const IDLE_REFRESH_MS = 30000;

const session = new Session();
const live = new Live(session);
const alerts = new Map(); // by id, newest first when listed
const devices = new Map();
const minutes = new Map(); // start of a minute -> alerts that arrived in it
const classes = new Map();
const rows = new Map(); // by alert's id: what the row says, and its element
const stats = { total_alerts: 0, critical_alerts: 0, active_devices: 0, total_packets: 0 };
const overviewPart = new Part("counters", () => session.get("/dashboard/overview"), (overview) => {
  Object.assign(stats, overview.stats);
  replace(classes, overview.attack_distribution.map((row) => [row.type, row.count]));
});
const timelinePart = new Part("alerts per minute", () => session.get("/dashboard/timeline?hours=1&step_s=60&by=arrival"), ({ timeline }) => {
  replace(minutes, timeline.map((bar) => [new Date(bar.timestamp).getTime(), bar.count]));
});
const alertsPart = new Part("alerts", () => session.get(`/alerts?limit=${KEPT_ALERTS}`), (list) => {
  replace(alerts, list.map((alert) => [alert.id, alert]));
});
const devicesPart = new Part("devices", () => session.get("/devices?limit=500"), (list) => {
  replace(devices, list.map((device) => [device.device_id, device]));
});
const parts = [overviewPart, timelinePart, alertsPart, devicesPart, ...isolationParts(session)];
for (const part of parts) part.onChange = showAll;
let lastLoad = 0;
let loadTimer = null;

// ---- sign in and out

async function begin() {
  byId("sign-in").hidden = true;
  byId("app").hidden = false;
  const { username, role } = session.user;
  byId("user").textContent = username === role ? role : `${username} · ${role}`;
  byId("said").hidden = true;
  showAll();
  await load();
  if (session.token) live.start();
}

session.onSignedOut = () => {
  live.stop();
  byId("detail").close();
  byId("question").close();
  for (const kept of [alerts, devices, minutes, classes, rows]) kept.clear();
  for (const part of parts) part.forget();
  forgetIsolations();
  byId("app").hidden = true;
  byId("sign-in").hidden = false;
  byId("username").focus();
};

byId("sign-in-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const button = form.querySelector("button");
  byId("sign-in-error").hidden = true;
  button.disabled = true;
  try {
    await session.signIn(form.username.value.trim(), form.password.value);
    form.reset();
    await begin();
  } catch (error) {
    showProblem(error);
    form.password.select();
  } finally {
    button.disabled = false;
  }
});

function showProblem(error) {
  byId("sign-in-error").textContent = error.message;
  byId("sign-in-error").hidden = false;
}

byId("sign-out").addEventListener("click", () => session.signOut());
byId("only-active").addEventListener("change", showAlerts);

// ---- loading

async function load() {
  lastLoad = Date.now();
  // What failed tries again by itself, and less and less often.
  await Promise.all(parts.filter((part) => part.trouble === null).map((part) => part.load()));
}

function replace(map, entries) {
  map.clear();
  for (const [key, value] of entries) map.set(key, value);
}

function loadSoon() {
  if (loadTimer !== null) return;
  const wait = Math.max(0, lastLoad + REFRESH_MS - Date.now());
  loadTimer = setTimeout(() => {
    loadTimer = null;
    if (session.token) load();
  }, wait);
}

// ---- what happens

live.onEvent = (event) => {
  if (event.type === "new_alert") takeAlert(event.data, true);
  else if (event.type === "alert_updated") takeAlert(event.data, false);
  else if (event.type === "isolation") takeIsolation(session, event.data);
  else if (event.type === "command") takeCommand(session, event.data);
  else if (event.type === "device_health" || event.type === "presence") takeDevice(event.data);
};

live.onGap = loadSoon;

live.onState = (state) => {
  const words = { live: "Live", connecting: "Connecting", lost: "Connection lost, trying again" };
  byId("connection").dataset.state = state;
  byId("connection-text").textContent = words[state];
};

function takeAlert(alert, isNew) {
  const known = alerts.has(alert.id);
  alerts.set(alert.id, alert);
  if (isNew && !known) {
    stats.total_alerts += 1;
    if (alert.severity === "critical") stats.critical_alerts += 1;
    classes.set(alert.attack_type, (classes.get(alert.attack_type) ?? 0) + 1);
    const start = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
    minutes.set(start, (minutes.get(start) ?? 0) + 1);
    byId("announcer").textContent = `New alert: ${className(alert.attack_type)}, ${alert.severity}, host ${alert.host}`;
    showCharts();
  }
  showStats();
  showAlerts(isNew && !known ? alert.id : null);
  if (!isNew && shownAlert() === alert.alert_id) refreshAlert(session, alert.alert_id, takeChange).catch(() => {});
}

const takeChange = (alert) => takeAlert(alert, false);

function takeDevice(device) {
  devices.set(device.device_id, device);
  showDevices();
  loadSoon(); // its counters have moved on
}

// ---- showing

function showAll() {
  showStats();
  showCharts();
  showAlerts();
  showDevices();
  showIsolations(session);
  showTrouble();
}

function showTrouble() {
  const troubles = troublesOf(parts);
  const bar = byId("trouble");
  bar.hidden = troubles.length === 0;
  const words = `Could not be read, trying again: ${troubles.join(" · ")}`;
  if (!bar.hidden && bar.textContent !== words) bar.textContent = words;
}

function showStats() {
  const shown = (number) => (overviewPart.isKnown ? count(number) : "–");
  byId("stat-total").textContent = shown(stats.total_alerts);
  byId("stat-critical").textContent = shown(stats.critical_alerts);
  byId("stat-critical").classList.toggle("some", overviewPart.isKnown && stats.critical_alerts > 0);
  byId("stat-devices").textContent = shown(stats.active_devices);
  byId("stat-packets").textContent = shown(stats.total_packets);
}

function showCharts() {
  const last = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS;
  const bars = Array.from({ length: MINUTES }, (_, index) => {
    const start = last - (MINUTES - 1 - index) * MINUTE_MS;
    return { timestamp: start, count: minutes.get(start) ?? 0 };
  });
  drawTimeline(byId("timeline"), timelinePart.isKnown ? bars : []);
  drawClasses(byId("classes"), overviewPart.isKnown ? classes : null);
}

function showAlerts(fresh = null) {
  const onlyActive = byId("only-active").checked;
  const listed = [...alerts.values()]
    .sort((a, b) => (a.detected_at < b.detected_at ? 1 : a.detected_at > b.detected_at ? -1 : b.id - a.id))
    .slice(0, KEPT_ALERTS);
  replace(alerts, listed.map((alert) => [alert.id, alert]));
  const shown = onlyActive ? listed.filter((alert) => alert.status === "active") : listed;
  byId("alerts").hidden = shown.length === 0;
  showStanding("alerts", alertsPart, shown.length);
  byId("alerts-note").textContent = shown.length === KEPT_ALERTS ? `the newest ${KEPT_ALERTS}` : "";
  putInOrder(byId("alert-rows"), shown.map((alert) => rowFor(alert, alert.id === fresh)));
}

// Rows that say the same stay the same elements: a click or the keyboard's focus is not lost
// because another alert arrives.
function rowFor(alert, fresh) {
  const said = JSON.stringify(alert);
  const known = rows.get(alert.id);
  if (known?.said === said) return known.element;
  const element = row(alert, fresh);
  rows.set(alert.id, { said, element });
  return element;
}

function putInOrder(body, wanted) {
  const keep = new Set(wanted);
  for (const element of [...body.children]) if (!keep.has(element)) element.remove();
  wanted.forEach((element, index) => {
    if (body.children[index] !== element) body.insertBefore(element, body.children[index] ?? null);
  });
  for (const id of rows.keys()) if (!alerts.has(id)) rows.delete(id);
}

function row(alert, fresh) {
  const settled = alert.status === "resolved" || alert.status === "false_positive";
  const open = () => showAlert(session, alert.alert_id, takeChange).catch((error) => notify(error.message));
  return make(
    "tr", { class: `${settled ? "settled" : ""} ${fresh ? "fresh" : ""}`, "data-alert": alert.alert_id, onclick: open },
    make("td", {}, severity(alert.severity)),
    make("td", {}, make("button", { type: "button", class: "open-alert" }, className(alert.attack_type))),
    make("td", { class: "host mono" }, alert.host),
    make("td", { class: "route mono" }, `${alert.src_ip ?? "–"} → ${alert.dst_ip ?? "–"}`),
    make("td", { class: "why" }, alert.reason || "–"),
    make("td", { class: "confidence-cell" }, make("div", { class: "confidence" }, make("span", { class: "number" }, `${Math.round(alert.confidence * 100)} %`), meter(alert.confidence))),
    make("td", { class: "when", title: exactTime(alert.detected_at) }, time(alert.detected_at)),
    make("td", { class: "status-cell" }, make("span", { class: `status ${alert.status}` }, STATUS_WORDS[alert.status] ?? alert.status)),
  );
}

function showDevices() {
  const listed = [...devices.values()].sort((a, b) => a.device_id.localeCompare(b.device_id));
  const online = listed.filter((device) => device.status !== "offline").length;
  showStanding("devices", devicesPart, listed.length);
  byId("devices-note").textContent = listed.length ? `${online} of ${listed.length} online` : "";
  byId("devices").replaceChildren(...listed.map(deviceItem));
}

function deviceItem(device) {
  // No machine lives without memory: 0 says that it never told.
  const load = device.memory_usage === 0 ? [] : [`CPU\u00a0${Math.round(device.cpu_usage)}\u00a0%`, `memory\u00a0${Math.round(device.memory_usage)}\u00a0%`];
  if (device.temperature !== null) load.push(`${Math.round(device.temperature)}\u00a0°C`);
  return make(
    "li", { "data-device": device.device_id },
    make("span", { class: `dot ${device.status}`, "aria-hidden": "true" }),
    make("span", { class: "name" }, device.name),
    make("span", { class: "muted" }, device.status),
    make("span", { class: "more muted" }, [device.mode, ...load].filter(Boolean).join(" · ") || device.type),
    make("span", { class: "more muted" }, ago(device.last_seen)),
  );
}

// ---- start

setUpDetail();
addEventListener("resize", () => byId("app").hidden || showCharts());
setInterval(() => {
  if (!session.token) return;
  showCharts();
  showDevices();
  showIsolations(session);
  if (Date.now() - lastLoad > IDLE_REFRESH_MS) loadSoon();
}, 10000);

try {
  if (await session.resume()) await begin();
  else session.onSignedOut();
} catch (error) {
  session.onSignedOut();
  showProblem(error);
}
