/** The operators' console: the token, and the sections it opens. */

import { client } from "./api.js";
import { button, focusOn, h, notice } from "./dom.js";
import { forget, keep, kept } from "./keep.js";
import { auditSection, lettersSection, servicesSection } from "./opsshop.js";
import { orderSection, settleSection } from "./opsorder.js";
import { sentence } from "./words.js";

const main = document.getElementById("main");
const account = document.getElementById("account");
let token = kept("operator");
let life = new AbortController();

const api = client(() => token, () => leave("The token is not valid (any more)."));

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  focusOn(main);
});
if (token) showConsole();
else showToken();

/** Asks for the token; it is tried before it is kept. */
function showToken(why = "") {
  const field = h("input", { id: "token", type: "password", autocomplete: "off", required: true, maxlength: "512" });
  const trouble = h("div", {}, why ? notice("bad", why) : "");
  const form = h("form", { on: { submit: (event) => tried(event, field, trouble) } },
    h("div", { class: "field" }, h("label", { for: "token" }, "Operators' token"), field,
      h("p", { class: "hint" }, "It stands in run.json in the shop's data folder. This tab alone keeps it.")),
    trouble, h("button", { type: "submit", class: "primary wide" }, "Open the console"));
  account.replaceChildren();
  main.replaceChildren(h("section", { class: "card signin" }, h("h1", {}, "Operators"), form));
  focusOn(field);
}

async function tried(event, field, trouble) {
  event.preventDefault();
  const typed = field.value.trim();
  try {
    await client(() => typed, () => {}).get("/api/ops/services");
    token = typed;
    keep("operator", token);
    showConsole();
  } catch (problem) {
    const words = problem.status === 401 ? "This is not the operators' token." : sentence(problem);
    trouble.replaceChildren(notice("bad", words));
    focusOn(field);
  }
}

function showConsole() {
  life = new AbortController();
  account.replaceChildren(button("Close", () => leave(), { class: "quiet small" }));
  main.replaceChildren(h("h1", { tabindex: "-1" }, "Operators' console"),
    servicesSection(api, life.signal),
    h("div", { class: "columns" }, orderSection(api, life.signal), auditSection(api, life.signal)),
    lettersSection(api, life.signal), settleSection(api, life.signal));
  focusOn(main.querySelector("h1"));
}

function leave(why) {
  if (!token) return;
  token = null;
  forget("operator");
  life.abort();
  showToken(why);
}
