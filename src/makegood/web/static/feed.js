/** An order's changes as the shop tells them, read with `fetch`: no token in an address, no cookie. */

import { decoded, headersOf, Problem, refusal } from "./api.js";
import { session } from "./session.js";
import { pause } from "./signal.js";

const TRIES = 8;
const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 15_000;
const SILENCE = 45_000; // the shop says something every 15 s
const STEADY = 10_000;
const LONGEST_EVENT = 65_536;

/**
 * Follows an order behind the change `seen`. `onState` hears live, again (trying), lost (given up) or over (no change
 * can follow); `onChange` hears of every change, and is waited for. A rejected change counts as a lost connection.
 */
export async function follow(orderId, seen, { onChange, onState, life }) {
  let last = seen;
  for (let failed = 0; failed < TRIES && !life.aborted; failed += 1) {
    const began = Date.now();
    try {
      if (await listened(orderId, last, life, () => onState("live"), changed)) return onState("over");
    } catch (problem) {
      if (life.aborted) return;
      if (problem instanceof Problem && [401, 403, 404].includes(problem.status)) {
        await onChange().catch(() => {}); // a look tells the buyer why
        break;
      }
    }
    if (life.aborted) return;
    if (Date.now() - began > STEADY) failed = 0;
    onState("again");
    await pause(Math.min(FIRST_PAUSE * 2 ** failed, LONGEST_PAUSE), life);
  }
  if (!life.aborted) onState("lost");

  async function changed(id) {
    await onChange();
    last = id;
  }
}

/** One connection; true when the shop says that this was the end. */
async function listened(orderId, last, life, onOpen, onChange) {
  const quiet = new AbortController();
  const signal = AbortSignal.any([life, quiet.signal]);
  let timer = setTimeout(() => quiet.abort(), SILENCE);
  try {
    const answer = await opened(orderId, last, signal);
    onOpen();
    for await (const event of events(answer.body.getReader(), () => {
      clearTimeout(timer);
      timer = setTimeout(() => quiet.abort(), SILENCE);
    })) {
      if (event.event === "end") return true;
      if (event.event === "change") await onChange(event.id);
    }
    return false;
  } finally {
    clearTimeout(timer);
    quiet.abort();
  }
}

async function opened(orderId, last, signal) {
  const more = { Accept: "text/event-stream", ...(last ? { "Last-Event-ID": String(last) } : {}) };
  const answer = await fetch(`/api/orders/${orderId}/events`, {
    headers: headersOf(session.value?.token, more), signal, cache: "no-store", credentials: "omit",
  });
  if (answer.ok) return answer;
  throw refusal(answer, await decoded(answer));
}

/** The events of a stream (https://html.spec.whatwg.org/multipage/server-sent-events.html). */
async function* events(reader, onBytes) {
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    onBytes();
    const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
    rest = blocks.pop();
    if (rest.length > LONGEST_EVENT) throw new Problem("unreadable");
    for (const block of blocks) yield parsed(block);
  }
}

function parsed(block) {
  const event = { event: "message", id: "", data: "" };
  for (const line of block.split("\n")) {
    const [, name, value] = /^([^:]*): ?(.*)$/.exec(line) ?? [];
    if (name === "data") event.data += value;
    else if (name === "event" || name === "id") event[name] = value;
  }
  return event;
}
