// Making elements and words. Text always goes in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";

export function make(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function draw(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const byId = (id) => document.getElementById(id);

// A line that says something in place; bad news looks like it.
export function say(line, words, isBad = false) {
  line.textContent = words;
  line.classList.toggle("error", isBad);
}

// What stays on the screen until somebody closes it, wherever the page is scrolled to.
export function notify(words) {
  const box = byId("said");
  const close = make("button", { type: "button", class: "quiet", "aria-label": "Close", onclick: () => { box.hidden = true; } }, "✕");
  box.replaceChildren(make("p", {}, words), close);
  box.hidden = false;
}

// What stands in place of a list: that it is empty, or that nobody knows.
export function showStanding(name, part, size) {
  const isSure = part.isKnown && part.trouble === null;
  byId(`${name}-empty`).hidden = !isSure || size > 0;
  const unknown = byId(`${name}-unknown`);
  unknown.hidden = isSure;
  if (part.trouble === null) unknown.textContent = "Reading …";
  else unknown.textContent = size > 0 ? "There may be others: the list could not be read." : "Unknown: the list could not be read.";
}

const whole = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const dayAndClock = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const minute = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

export const count = (number) => (number >= 100000 ? short : whole).format(number);
export const exactTime = (text) => dayAndClock.format(new Date(text));
export const minuteOf = (date) => minute.format(date);

export function time(text) {
  const then = new Date(text);
  const today = Math.abs(Date.now() - then.getTime()) < 20 * 3600 * 1000;
  return (today ? clock : dayAndClock).format(then);
}

export function amount(number) {
  if (number === 0) return "0";
  const size = Math.abs(number);
  return size >= 1000 ? count(Math.round(number)) : String(Number(number.toPrecision(3)));
}

export function ago(text) {
  if (!text) return "never seen";
  const seconds = Math.max(0, (Date.now() - new Date(text).getTime()) / 1000);
  return seconds < 15 ? "seen just now" : `seen ${span(seconds)} ago`;
}

export function span(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

export const STATUS_WORDS = {
  active: "Active",
  acknowledged: "Acknowledged",
  resolved: "Resolved",
  false_positive: "False positive",
};

export const CLASS_WORDS = {
  DOS: "Denial of service",
  Botnet: "Botnet",
  Replay: "Replay",
  MITM: "Man in the middle",
  Scan: "Scan",
  BruteForce: "Password guessing",
  Anomaly: "Anomaly",
};

export const className = (type) => CLASS_WORDS[type] ?? type;

export function severity(name) {
  return make("span", { class: `severity ${name}` }, name[0].toUpperCase() + name.slice(1));
}

export function meter(share) {
  const bar = make("span");
  bar.style.width = `${Math.round(Math.max(0, Math.min(1, share)) * 100)}%`;
  return make("div", { class: "meter", "aria-hidden": "true" }, bar);
}
