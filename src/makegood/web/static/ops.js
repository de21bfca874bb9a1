/** The operators' console: the token, and the sections it opens. */

import { client } from "./api.js";
import { button, focusOn, h, notice, setText } from "./dom.js";
import { forget, keep, kept } from "./keep.js";
import { auditView } from "./opsaudit.js";
import { lettersView } from "./opsletters.js";
import { liveView } from "./opslive.js";
import { orderView } from "./opsorder.js";
import { settleView } from "./opssettle.js";
import { repeat, signal } from "./signal.js";
import { sentence } from "./words.js";

const LOOK = 2_000;
const SECTIONS = [
  ["live", "Live", liveView],
  ["dead-letters", "Dead letters", lettersView],
  ["orders", "Orders", orderView],
  ["audit", "Audit", auditView],
  ["settle", "To settle", settleView],
];

const main = document.getElementById("main");
const account = document.getElementById("account");
const sections = document.getElementById("sections");
let token = kept("operator");
let life = new AbortController();
let views = {};

const api = client(() => token, () => leave("The token is not valid (any more)."));

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  focusOn(main);
});
window.addEventListener("hashchange", () => token && show());
if (token) open();
else showToken();

/** Asks for the token; it is tried before it is kept. */
function showToken(why = "") {
  const field = h("input", { id: "token", type: "password", autocomplete: "off", required: true, maxlength: "512" });
  const trouble = h("div", {}, why ? notice("bad", why) : "");
  const form = h("form", { on: { submit: (event) => tried(event, field, trouble) } },
    h("div", { class: "field" }, h("label", { for: "token" }, "Operators' token"), field,
      h("p", { class: "hint" }, "It stands in run.json in the shop's data folder. This tab alone keeps it.")),
    trouble, h("button", { type: "submit", class: "primary wide" }, "Open the console"));
  account.replaceChildren(elsewhere());
  sections.replaceChildren();
  main.replaceChildren(h("section", { class: "card signin", "aria-label": "Sign in" }, h("h1", {}, "Operators"), form));
  focusOn(field);
}

async function tried(event, field, trouble) {
  event.preventDefault();
  const typed = field.value.trim();
  try {
    await client(() => typed, () => {}).get("/api/ops/figures");
    token = typed;
    keep("operator", token);
    open();
  } catch (problem) {
    const words = problem.status === 401 ? "This is not the operators' token." : sentence(problem);
    trouble.replaceChildren(notice("bad", words));
    focusOn(field);
  }
}

function open() {
  life = new AbortController();
  const services = signal({ list: [], at: null, problem: null });
  repeat(LOOK, () => look(services), life.signal);
  views = Object.fromEntries(SECTIONS.map(([name, , view]) => [name, view(api, services, life.signal)]));
  const failed = h("span", { class: "count", hidden: true });
  sections.replaceChildren(...SECTIONS.map(([name, label]) =>
    h("a", { href: `#/${name}` }, label, name === "dead-letters" && failed)));
  services.watch(({ list }) => count(failed, list), life.signal);
  account.replaceChildren(elsewhere(), button("Close", () => leave(), { class: "quiet small" }));
  show();
}

async function look(services) {
  try {
    const { services: list } = await api.get("/api/ops/services", { life: life.signal });
    services.set({ list, at: Date.now(), problem: null });
  } catch (problem) {
    if (!life.signal.aborted) services.set({ ...services.value, problem });
  }
}

function count(element, list) {
  const failed = list.reduce((sum, one) => sum + one.set_aside + one.dead, 0);
  element.hidden = failed === 0;
  setText(element, failed === 0 ? "" : ` ${failed.toLocaleString()}`);
}

/** Shows the section that the address names, by default the first. */
function show() {
  const [, name, argument] = location.hash.split("/");
  const [wanted, label] = SECTIONS.find(([one]) => one === name) ?? SECTIONS[0];
  for (const link of sections.children) {
    if (link.hash === `#/${wanted}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${label} · Operators · makegood`;
  main.replaceChildren(views[wanted].element);
  views[wanted].shown?.(argument ? decodeURIComponent(argument) : null);
  focusOn(main.querySelector("h1"));
}

function elsewhere() {
  return h("span", { class: "elsewhere" }, h("a", { href: "/" }, "Storefront"), " ", h("a", { href: "/docs" }, "API"));
}

function leave(why) {
  if (!token) return;
  token = null;
  forget("operator");
  life.abort();
  showToken(why);
}
