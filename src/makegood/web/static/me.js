/** What the user has: balance, points, coupons. */

import { api, session } from "./session.js";
import { signal } from "./signal.js";

/** {user, balance, points, coupons}, or null until it is known. */
export const me = signal(null);

/** Looks again; when that fails, what was known stays. */
export async function refreshMe(life) {
  const user = session.value?.user;
  if (!user) return me.set(null);
  try {
    const found = await api.get("/api/me", { life });
    if (session.value?.user === user) me.set(found);
  } catch {
    // Whatever needs the balance asks the shop for a quote, and says itself what is wrong.
  }
}
