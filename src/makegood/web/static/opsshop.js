/** The shop as operators see it: services' figures, the promises, dead letters. */

import { page } from "./api.js";
import { h, moment, notice, part, say, setText, workButton } from "./dom.js";
import { repeat } from "./signal.js";
import { opsSentence, section, table } from "./opsparts.js";

const LIVE = 5_000;
const AUDIT_TIMEOUT = 120_000;
const PAGE = 50;

/** Figures of every service, looked at every few seconds. */
export function servicesSection(api, life) {
  const trouble = part("div", {}, (problem) => problem && notice("bad", opsSentence(problem)));
  const shown = part("div", { class: "scroll" }, servicesTable);
  const seen = h("span", { class: "soft small" }, "Looking…");
  repeat(LIVE, async () => {
    try {
      shown.show((await api.get("/api/ops/services", { life })).services);
      trouble.show(null);
      setText(seen, `As of ${new Date().toLocaleTimeString()}`);
    } catch (problem) {
      if (!life.aborted) trouble.show(problem);
    }
  }, life);
  return section("services", "Services", seen, trouble.element, shown.element);
}

function servicesTable(services) {
  const names = ["Service", "Requests", "Batches", "Requests a batch", "Failures"];
  names.push("Waiting", "Outbox", "Lag", "Set aside", "Dead");
  return table(names, services.map((one) => [one.service, one.requests, one.batches, perBatch(one),
    alarming(one.failures), one.queue, one.outbox, one.lag, alarming(one.set_aside), alarming(one.dead)]));
}

function perBatch({ requests, batches }) {
  return batches === 0 ? "–" : (requests / batches).toFixed(1);
}

function alarming(count) {
  return count > 0 ? h("strong", { class: "alarm" }, count.toLocaleString()) : 0;
}

/** The promises, checked at the press of a button. */
export function auditSection(api, life) {
  const shown = part("div", { class: "stack" }, (report) => report && auditOf(report));
  const trouble = part("div", {}, (problem) => problem && notice("bad", opsSentence(problem)));
  const check = workButton("Check the promises", "Checking…", async () => {
    try {
      trouble.show(null);
      shown.show(await api.get("/api/ops/audit", { life, timeout: AUDIT_TIMEOUT }));
    } catch (problem) {
      if (!life.aborted) trouble.show(problem);
    }
  }, { class: "primary" });
  return section("audit", "Audit", check, trouble.element, shown.element);
}

function auditOf({ at, kept, promises }) {
  const words = kept ? "All promises are kept." : "A promise is broken.";
  const rows = promises.map((one) =>
    [one.promise, h("span", {}, one.title, examples(one)), one.checked, alarming(one.broken)]);
  return [notice(kept ? "good" : "bad", words), h("p", { class: "soft small" }, "Checked at ", moment(at)),
    h("div", { class: "scroll" }, table(["", "Promise", "Checked", "Broken"], rows))];
}

function examples({ examples: found }) {
  return found?.length ? h("ul", { class: "small" }, found.map((one) => h("li", {}, one))) : null;
}

/** Events that consumers could not handle; each can be tried again. */
export function lettersSection(api, life) {
  const state = { letters: [], next: null, looked: false };
  const trouble = part("div", {}, (problem) => problem && notice("bad", opsSentence(problem)));
  const list = part("div", {}, (now) => lettersOf(now, replay));
  const more = workButton("Show more", "Looking…", () => look(state.next), { class: "quiet" });
  const refresh = workButton("Refresh", "Looking…", () => look(null), { class: "quiet" });
  look(null);
  return section("letters", "Dead letters", refresh, trouble.element, list.element, more);

  async function look(after) {
    try {
      const found = await api.get(page("/api/ops/dead-letters", PAGE, after), { life });
      state.letters = after ? [...state.letters, ...found.dead_letters] : found.dead_letters;
      Object.assign(state, { next: found.next, looked: true });
      trouble.show(null);
    } catch (problem) {
      if (!life.aborted) trouble.show(problem);
    }
    list.show({ ...state });
    more.hidden = state.next === null;
  }

  async function replay(letter) {
    try {
      await api.post(`/api/ops/dead-letters/${encodeURIComponent(letter.id)}/replay`, undefined, { life });
      say("It is tried again.");
      await look(null);
    } catch (problem) {
      if (!life.aborted) trouble.show(problem);
    }
  }
}

function lettersOf({ letters, looked }, replay) {
  if (!looked) return h("p", { class: "soft" }, "Looking…");
  if (letters.length === 0) return h("p", { class: "soft" }, "There are none.");
  return h("ul", { class: "letters" }, letters.map((letter) => h("li", {},
    h("div", { class: "row between" },
      h("p", {}, h("strong", {}, `${letter.service} · ${letter.topic}: ${letter.tag} `), h("code", {}, letter.key)),
      workButton("Replay", "Replaying…", () => replay(letter), { class: "quiet" })),
    h("p", { class: "error" }, letter.error),
    h("p", { class: "soft small" }, `${letter.tries} tries, the last `, moment(letter.last_at),
      letter.next_at ? [", the next ", moment(letter.next_at)] : ", given up"),
    h("details", {}, h("summary", {}, "The event"), h("pre", {}, letter.body)))));
}
