/** Replaying dead letters, and waiting a little to see what becomes of each. */

import { pause } from "./signal.js";

const AT_ONCE = 100;
const LOOK = 500;
const LOOKS = 40;

/** Replays them a hundred at a time; yields {id, outcome, letter}: handled, failed, gone, or waiting when it takes long.
 * `onReplayed` hears the id of each that is to be tried now. Raises Problem. */
export async function* replay(api, ids, onReplayed, life) {
  for (let begin = 0; begin < ids.length; begin += AT_ONCE) {
    const { outcomes } = await api.post("/api/ops/dead-letters/replay", { ids: ids.slice(begin, begin + AT_ONCE) }, { life });
    const waiting = [];
    for (const { id, outcome } of outcomes) {
      if (outcome === "gone") yield { id, outcome, letter: null };
      else waiting.push(id);
    }
    waiting.forEach(onReplayed);
    yield* tried(api, waiting, life);
  }
}

async function* tried(api, ids, life) {
  let waiting = ids;
  for (let look = 0; waiting.length > 0 && look < LOOKS; look += 1) {
    if (!(await pause(LOOK, life))) return;
    const { outcomes } = await api.post("/api/ops/dead-letters/outcomes", { ids: waiting }, { life });
    for (const { id, outcome, dead_letter: letter } of outcomes) {
      if (outcome === "gone") yield { id, outcome: "handled", letter: null };
      else if (outcome === "failed") yield { id, outcome, letter };
    }
    waiting = outcomes.filter(({ outcome }) => outcome === "waiting").map(({ id }) => id);
  }
  for (const id of waiting) yield { id, outcome: "waiting", letter: null };
}
