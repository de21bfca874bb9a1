/** The storefront: who is signed in, which page is shown. */

import { basket, goodsAmount, openBasket, pieces } from "./basket.js";
import { checkoutSection } from "./checkout.js";
import { button, focusOn, h, part, say } from "./dom.js";
import { goodsSection } from "./goods.js";
import { me, refreshMe } from "./me.js";
import { yuan } from "./money.js";
import { showOrder } from "./order.js";
import { showOrders } from "./orders.js";
import { outcome, resumeAttempt } from "./placing.js";
import { session, signOut } from "./session.js";
import { showSignIn } from "./signin.js";
import { sentence } from "./words.js";

const main = document.getElementById("main");
const nav = document.getElementById("nav");
let life = new AbortController();
let user;

const account = part("div", { class: "person" }, (who) => who && [
  h("span", { class: "initial", "aria-hidden": "true" }, [...who.user][0].toUpperCase()),
  h("span", { class: "who" }, h("strong", {}, who.user), who.balance === undefined ? null
    : h("span", { class: "soft small" }, `${yuan(who.balance)} · ${who.points.toLocaleString()} points`)),
  button("Sign out", leave, { class: "quiet small" }),
]);
document.getElementById("account").append(account.element);

window.addEventListener("hashchange", () => { if (isRoute()) show(); });
document.querySelector(".skip").addEventListener("click", skip);
me.watch(showAccount);
session.watch(sessionChanged);
outcome.watch((what) => { if (what && location.hash.startsWith("#/orders")) say(sentence(what.refusal)); });
setInterval(endWhenExpired, 30_000);

function sessionChanged() {
  if (user !== session.value?.user) me.set(null);
  user = session.value?.user;
  openBasket();
  showAccount();
  show();
  refreshMe();
  resumeAttempt(onOrder);
}

function showAccount() {
  account.show(session.value && { user: session.value.user, balance: me.value?.balance, points: me.value?.points });
  document.getElementById("account").hidden = nav.hidden = session.value === null;
}

function skip(event) {
  event.preventDefault();
  focusOn(main.querySelector("h1") ?? main);
}

function leave() {
  signOut();
  location.hash = "#/";
  say("You are signed out.");
}

/** The page must not go on as if signed in once the token is worth nothing. */
function endWhenExpired() {
  if (session.value && Date.parse(session.value.expires_at) + 60_000 < Date.now()) refreshMe();
}

function isRoute() {
  return location.hash === "" || location.hash.startsWith("#/");
}

/** Shows the page that the address names; what the page before was doing ends. */
function show() {
  life.abort();
  life = new AbortController();
  const [, place = "", id = ""] = location.hash.slice(1).split("/");
  mark(place);
  window.scrollTo(0, 0);
  if (!session.value) showSignIn(main);
  else if (place === "orders" && /^\d{1,19}$/.test(id)) showOrder(main, id, life.signal);
  else if (place === "orders") showOrders(main, life.signal);
  else showShop();
  document.title = `${titleOf(place)} · makegood`;
}

function titleOf(place) {
  if (!session.value) return "Sign in";
  return place === "orders" ? "Orders" : "Goods";
}

function mark(place) {
  for (const link of nav.querySelectorAll("a")) {
    const here = link.getAttribute("href") === (place === "orders" ? "#/orders" : "#/");
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function showShop() {
  refreshMe(life.signal);
  const toBasket = h("a", { href: "#basket", class: "to-basket button primary", on: { click: goToBasket } });
  basket.watch(() => {
    toBasket.hidden = pieces() === 0;
    const held = h("span", {}, `Basket · ${pieces().toLocaleString()}`);
    toBasket.replaceChildren(held, h("span", {}, yuan(goodsAmount())));
  }, life.signal);
  const checkout = checkoutSection(life.signal, onOrder);
  main.replaceChildren(h("div", { class: "shop" }, goodsSection(life.signal), checkout), toBasket);
  hideWhileSeen(toBasket, checkout);
  focusOn(main.querySelector("h1"));
}

/** The way to the basket is in the way once one is there. */
function hideWhileSeen(link, section) {
  const seen = ([entry]) => link.classList.toggle("there", entry.isIntersecting);
  const watcher = new IntersectionObserver(seen, { rootMargin: "0px 0px -40% 0px" });
  watcher.observe(section);
  life.signal.addEventListener("abort", () => watcher.disconnect(), { once: true });
}

function goToBasket(event) {
  event.preventDefault();
  document.getElementById("basket").scrollIntoView();
  focusOn(document.getElementById("basket-title"));
}

/** An order exists now: look at it, and at the balance it took. */
function onOrder(order) {
  location.hash = `#/orders/${order.order_id}`;
  refreshMe();
}
