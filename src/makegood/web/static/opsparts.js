/** What the sections of the console have in common. */

import { h } from "./dom.js";
import { yuan } from "./money.js";
import { sentence } from "./words.js";

const PROBLEMS = {
  amount_exceeds_captured: "This is more than was captured and is not refunded yet. Nothing was done.",
  day_not_over: "Platforms bill a day on the next one: please compare it tomorrow.",
  key_reused: "This refund was asked for before, with another amount. Please look at the timeline.",
  load_in_progress: "Another file is being loaded.",
  no_such_day: "There is no such day.",
  not_found: "There is no such thing here.",
  unknown_channel: "This shop has no such payment channel.",
  unavailable: "A service does not answer right now.",
};
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23" };
const DAY = { dateStyle: "medium", timeStyle: "medium" };

/** A card with a heading and controls beside it. */
export function card(id, title, controls, ...content) {
  return h("section", { class: "card", id, "aria-labelledby": `${id}-title` },
    h("div", { class: "row between" }, h("h2", { id: `${id}-title` }, title), controls), ...content);
}

/** The heading of a section of the console. */
export function heading(title, explanation, ...controls) {
  return h("div", { class: "row between head" },
    h("div", {}, h("h1", { tabindex: "-1" }, title), h("p", { class: "soft small" }, explanation)),
    h("div", { class: "row" }, ...controls));
}

/** A table; a cell may be text, a number or an element. On a phone each row is a block with its columns' names. */
export function table(caption, names, rows) {
  const numeric = names.map((_, place) => rows.every((row) => isNumber(row[place])));
  return h("div", { class: "scroll" }, h("table", { class: "stacked" },
    h("caption", { class: "hidden" }, caption),
    h("thead", {}, h("tr", {}, names.map((name, place) =>
      h("th", { scope: "col", class: numeric[place] ? "number" : "" }, name)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((cell, place) =>
      h("td", { "data-label": names[place], class: isNumber(cell) ? "number" : "" },
        typeof cell === "number" ? cell.toLocaleString() : cell)))))));
}

function isNumber(cell) {
  return typeof cell === "number" || cell?.classList?.contains("alarm") || cell?.classList?.contains("money");
}

/** A problem in an operator's words: the shop's own explanation besides. */
export function opsSentence(problem) {
  const words = PROBLEMS[problem.code] ?? sentence(problem);
  return problem.detail && !words.includes(problem.detail) ? `${words} (${problem.detail})` : words;
}

/** A service's name in its colour. */
export function service(name) {
  return h("span", { class: `service ${name}` }, name);
}

/** A badge: kind is good, bad, warn, wait or plain. */
export function badge(kind, text) {
  return h("span", { class: `badge ${kind}` }, text);
}

/** A code as people read it. */
export function words(code) {
  return String(code).replaceAll("_", " ");
}

/** Fen as a cell of a table: an amount is never broken across lines. */
export function money(fen) {
  return h("span", { class: "money" }, yuan(fen));
}

/** A day, YYYY-MM-DD, that is never broken across lines. */
export function day(text) {
  return h("span", { class: "whole" }, text);
}

/** A merchant, such as alipay:2021000000; a line may end behind the platform. */
export function merchant(account) {
  const [platform, ...rest] = account.split(":");
  return h("span", {}, `${platform}:`, h("wbr"), rest.join(":"));
}

/** The numbers by which merchant and platform know something, below each other. */
export function numbers(number, { refund = "", trade = "" }) {
  const more = [["refund", refund], ["trade", trade]].filter(([, text]) => text);
  return h("div", { class: "code" }, h("div", {}, number),
    more.map(([name, text]) => h("div", { class: "soft" }, `${name} ${text}`)));
}

/** A link to an order's timeline; a dash when there is no order. */
export function orderLink(orderId) {
  return orderId ? h("a", { href: `#/orders/${orderId}`, class: "whole" }, orderId) : "–";
}

/** The time of a day, to the millisecond; the date is in its tooltip. */
export function clock(rfc3339) {
  const at = new Date(rfc3339);
  return h("time", { datetime: rfc3339, title: at.toLocaleString(undefined, DAY) },
    new Intl.DateTimeFormat(undefined, CLOCK).format(at));
}

/** How long something takes, in the unit that people would say. */
export function span(milliseconds) {
  if (milliseconds < 1_000) return `${Math.round(milliseconds)} ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1_000).toFixed(1)} s`;
  if (milliseconds < 3_600_000) return `${Math.floor(milliseconds / 60_000)} min ${Math.round(milliseconds / 1_000) % 60} s`;
  return `${(milliseconds / 3_600_000).toFixed(1)} h`;
}

/** JSON text as people read it; anything else as it is. Large numbers keep all their digits. */
export function pretty(text) {
  try {
    const marked = text.replace(/([:[,]\s*)(-?\d{16,})(?=\s*[,\]}])/g, '$1"$2"');
    return JSON.stringify(JSON.parse(marked), null, 2);
  } catch {
    return text;
  }
}
