/** Who is signed in, in this tab: a bearer token in sessionStorage, no cookie. */

import { client } from "./api.js";
import { forget, forgetAll, keep, kept } from "./keep.js";
import { signal } from "./signal.js";

/** {user, token, expires_at}, or null. */
export const session = signal(kept("session"));

/** Whether the last session ended by itself, so that the sign-in page can say why it is there. */
export let ended = false;

/** The user's client; a 401 ends the session, the basket and an order under way stay. */
export const api = client(() => session.value?.token, () => end(true));

const anonymous = client(() => null, () => {});

/** Signs in. Raises Problem. */
export async function signIn(user, password) {
  const { token, expires_at } = await anonymous.post("/api/session", { user, password });
  ended = false;
  keep("session", { user, token, expires_at });
  session.set({ user, token, expires_at });
}

/** Signs out; opened payments are forgotten, they can be opened again. */
export function signOut() {
  forgetAll("payment.");
  end(false);
}

function end(byItself) {
  if (!session.value) return;
  ended = byItself;
  forget("session");
  session.set(null);
}
