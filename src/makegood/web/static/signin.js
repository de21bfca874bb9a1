/** Signing in. */

import { artwork } from "./artwork.js";
import { focusOn, h, notice, part, setText } from "./dom.js";
import { ended, signIn } from "./session.js";
import { sentence } from "./words.js";

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];
const WELCOME = ["pot-yixing", "lantern-silk", "tea-longjing"];
const DEMO = ["alice", "bob", "carol", "dave"];

/** Shows the form in `main`; a new session shows the shop. */
export function showSignIn(main) {
  const user = h("input", {
    id: "user", name: "user", autocomplete: "username", required: true, maxlength: "64", autocapitalize: "none",
    spellcheck: "false",
  });
  const password = h("input", {
    id: "password", name: "password", type: "password", autocomplete: "current-password", required: true,
    maxlength: "128",
  });
  const trouble = part("div", {}, (problem) => problem && notice("bad", waits(problem)));
  const submit = h("button", { type: "submit", class: "primary wide" }, "Sign in");
  const form = h("form", { on: { submit: (event) => submitted(event, { user, password, submit, trouble }) } },
    h("div", { class: "field" }, h("label", { for: "user" }, "User"), user),
    h("div", { class: "field" }, h("label", { for: "password" }, "Password"), password), trouble.element, submit);
  const why = ended ? notice("warn", "Your session has ended. Please sign in again; your basket is kept.") : null;
  main.replaceChildren(h("section", { class: "card signin", "aria-labelledby": "signin-title" },
    h("div", { class: "welcome" }, WELCOME.map((sku) => artwork(sku))),
    h("h1", { id: "signin-title" }, "Sign in"), ...[why].filter(Boolean), form, ...hint(user, password)));
  focusOn(user);
}

async function submitted(event, { user, password, submit, trouble }) {
  event.preventDefault();
  if (submit.getAttribute("aria-disabled") === "true") return;
  submit.setAttribute("aria-disabled", "true");
  setText(submit, "Signing in…");
  trouble.show(null);
  try {
    await signIn(user.value.trim(), password.value);
  } catch (problem) {
    trouble.show({ code: problem.code, detail: problem.detail, retryAfter: problem.retryAfter });
    focusOn(password);
    password.select();
  } finally {
    submit.removeAttribute("aria-disabled");
    setText(submit, "Sign in");
  }
}

function waits(problem) {
  const malformed = "A user name has no spaces and no letters beyond ASCII.";
  const words = problem.code === "malformed" ? malformed : sentence(problem);
  return problem.code === "too_many_attempts" ? `${words} About ${problem.retryAfter} seconds.` : words;
}

/** On this machine only: the users a fresh shop has for trying it. */
function hint(user, password) {
  if (!LOOPBACK.includes(location.hostname)) return [];
  const fill = (name) => () => {
    user.value = name;
    password.value = "demo";
    focusOn(document.querySelector(".signin button[type=submit]"));
  };
  const names = DEMO.map((name) => h("button", { type: "button", class: "chip", on: { click: fill(name) } }, name));
  const words = "A new shop on this machine has demo users, password ";
  return [h("div", { class: "demo" },
    h("p", { class: "soft small" }, words, h("code", {}, "demo"), ":"), h("div", { class: "row" }, names))];
}
