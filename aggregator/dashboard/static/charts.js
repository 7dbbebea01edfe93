// Bars over time, and bars by class.

import { className, count, draw, make, meter, minuteOf } from "./view.js";

const LABEL_WIDTH = 72;
const TOP = 14;
const BOTTOM = 20;
const LEFT = 30;

// bars: [{ timestamp, count }], oldest first, one for each step; none where they are not known.
export function drawTimeline(container, bars) {
  if (!bars.length) {
    container.replaceChildren();
    return;
  }
  const width = Math.max(280, container.clientWidth);
  const height = Math.max(150, container.clientHeight);
  const most = Math.max(4, ...bars.map((bar) => bar.count));
  const floor = height - BOTTOM;
  const step = (width - LEFT) / Math.max(1, bars.length);
  const every = [5, 10, 15, 30].find((minutes) => minutes * step >= LABEL_WIDTH) ?? 60;
  const total = bars.reduce((sum, bar) => sum + bar.count, 0);
  const chart = draw("svg", {
    class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `${total} alerts in the last ${bars.length} minutes, at most ${Math.max(0, ...bars.map((bar) => bar.count))} in one`,
  });
  for (const share of [0, 0.5, 1]) {
    const y = floor - share * (floor - TOP);
    chart.append(
      draw("line", { class: "rule", x1: LEFT, x2: width, y1: y, y2: y }),
      draw("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, count(Math.round(most * share))),
    );
  }
  bars.forEach((bar, index) => {
    const start = new Date(bar.timestamp);
    const x = LEFT + index * step;
    if (bar.count > 0) {
      const tall = Math.max(2, (bar.count / most) * (floor - TOP));
      chart.append(draw(
        "rect",
        { class: "bar-mark", x: x + step * 0.12, y: floor - tall, width: step * 0.76, height: tall, rx: Math.min(2, step / 4) },
        draw("title", {}, `${minuteOf(start)}: ${bar.count} alert${bar.count === 1 ? "" : "s"}`),
      ));
    }
    if (start.getMinutes() % every === 0 && x > LEFT + 8 && x < width - 30) {
      chart.append(draw("text", { x: x + step / 2, y: height - 4, "text-anchor": "middle" }, minuteOf(start)));
    }
  });
  container.replaceChildren(chart);
}

// counts: Map of class to number of alerts; null where they are not known.
export function drawClasses(container, counts) {
  if (counts === null) {
    container.replaceChildren();
    return;
  }
  const rows = [...counts].filter(([, number]) => number > 0).sort((a, b) => b[1] - a[1]);
  if (!rows.length) {
    container.replaceChildren(make("div", { class: "empty" }, make("p", { class: "muted" }, "Nothing seen.")));
    return;
  }
  const most = rows[0][1];
  container.replaceChildren(make("ul", { class: "meter-list" }, ...rows.map(([type, number]) => make(
    "li", {},
    make("span", {}, className(type)),
    make("span", { class: "number" }, count(number)),
    meter(number / most),
  ))));
}
