/** A line over the last minutes, drawn as SVG; the same in words and as a table for who does not see it. */

import { h, setChildren, setText } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 150;
const LEFT = 44;
const RIGHT = 14;
const TOP = 10;
const BOTTOM = 22;
const STEP = 10;

/** A chart of `seconds` up to now; `unit` is what its values are. `draw` takes points {at, value} in ms, null: none. */
export function lineChart({ id, title, unit, seconds }) {
  const now = h("strong", { class: "now" }, "–");
  const words = h("p", { class: "soft small" }, "Measuring…");
  const body = h("tbody");
  const details = h("details", { class: "small" }, h("summary", {}, "As a table"),
    h("table", {}, h("caption", { class: "hidden" }, `${title}, means of ${STEP} seconds`),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Seconds ago"), h("th", { scope: "col" }, unit))), body));
  const drawing = svg("svg", { height: HEIGHT, role: "img", "aria-labelledby": `${id}-title ${id}-words` });
  words.id = `${id}-words`;
  const element = h("figure", { class: "chart card" },
    h("figcaption", { class: "row between" }, h("h2", { id: `${id}-title` }, title), now), drawing, words, details);
  let shown = [];
  let until = 0;
  let pointed = null;
  drawing.addEventListener("pointermove", (event) => point(event.offsetX));
  drawing.addEventListener("pointerleave", () => point(null));
  new ResizeObserver(() => paint()).observe(drawing);
  return { element, draw };

  function draw(points, at) {
    shown = points;
    until = at;
    paint();
    const values = points.map(({ value }) => value).filter((value) => value !== null);
    const last = points.at(-1)?.value ?? null;
    setText(now, last === null ? "–" : amount(last));
    setText(words, values.length === 0 ? `Nothing in the last ${seconds} seconds.`
      : `Now ${last === null ? "none" : amount(last)}; mean ${amount(mean(values))}, most ${amount(Math.max(...values))} ` +
        `${unit} in the last ${seconds} seconds.`);
    if (details.open) setChildren(body, rows());
  }

  function point(x) {
    pointed = x;
    paint();
  }

  function paint() {
    const width = drawing.clientWidth;
    if (width === 0) return;
    const top = ceiling(Math.max(0, ...shown.map(({ value }) => value ?? 0)));
    const x = (at) => LEFT + (width - LEFT - RIGHT) * (1 - (until - at) / (seconds * 1_000));
    const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
    drawing.replaceChildren(...grid(width, top, y), ...lines(x, y), ...cross(x, y));
  }

  function grid(width, top, y) {
    const marks = [0, top / 2, top].flatMap((value) => [
      svg("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
      svg("text", { class: "tick", x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, amount(value)),
    ]);
    const ends = [[LEFT, `${seconds} s ago`, "start"], [width - RIGHT, "now", "end"]];
    return [...marks, ...ends.map(([at, text, anchor]) =>
      svg("text", { class: "tick", x: at, y: HEIGHT - 5, "text-anchor": anchor }, text))];
  }

  function lines(x, y) {
    return runs(shown).flatMap((run) => {
      const line = run.map(({ at, value }) => `${x(at).toFixed(1)},${y(value).toFixed(1)}`).join(" L");
      const [first, last] = [x(run[0].at).toFixed(1), x(run.at(-1).at).toFixed(1)];
      const floor = y(0);
      return [
        svg("path", { class: "area", d: `M${first},${floor} L${line} L${last},${floor} Z` }),
        run.length === 1 ? svg("circle", { class: "dot", cx: first, cy: y(run[0].value), r: 2 })
          : svg("path", { class: "line", d: `M${line}` }),
      ];
    });
  }

  function cross(x, y) {
    const known = pointed === null ? [] : shown.filter(({ value }) => value !== null);
    if (known.length === 0) return [];
    const nearest = known.reduce((best, one) => (Math.abs(x(one.at) - pointed) < Math.abs(x(best.at) - pointed) ? one : best));
    const at = x(nearest.at);
    const text = `${amount(nearest.value)}, ${Math.round((until - nearest.at) / 1_000)} s ago`;
    return [
      svg("line", { class: "cross", x1: at, x2: at, y1: TOP, y2: HEIGHT - BOTTOM }),
      svg("circle", { class: "dot", cx: at, cy: y(nearest.value), r: 4 }),
      svg("text", { class: "read", x: at < 200 ? at + 8 : at - 8, y: TOP + 10, "text-anchor": at < 200 ? "start" : "end" }, text),
    ];
  }

  function rows() {
    return Array.from({ length: seconds / STEP }, (_, place) => {
      const newest = until - place * STEP * 1_000;
      const within = shown.filter(({ at, value }) => value !== null && at <= newest && at > newest - STEP * 1_000);
      const value = within.length === 0 ? "–" : amount(mean(within.map((one) => one.value)));
      return h("tr", {}, h("td", {}, `${place * STEP}–${(place + 1) * STEP}`), h("td", {}, value));
    });
  }
}

function runs(points) {
  const found = [[]];
  for (const one of points) {
    if (one.value === null) found.push([]);
    else found.at(-1).push(one);
  }
  return found.filter((run) => run.length > 0);
}

function ceiling(value) {
  if (value <= 2) return 2;
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].map((step) => step * power).find((step) => step >= value);
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function amount(value) {
  return value.toLocaleString(undefined, { maximumFractionDigits: value < 100 ? 1 : 0 });
}

function svg(tag, attributes, text = "") {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.textContent = text;
  return element;
}
