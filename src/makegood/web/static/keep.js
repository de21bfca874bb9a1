/** What this tab remembers over a reload. No cookie, nothing shared with other tabs. */

const PREFIX = "makegood.";

/** What was kept under this name, or null. */
export function kept(name) {
  try {
    return JSON.parse(sessionStorage.getItem(PREFIX + name));
  } catch {
    return null;
  }
}

/** Keeps a value; throws when the browser refuses, since an order must not be placed with a key nobody keeps. */
export function keep(name, value) {
  try {
    sessionStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch (cause) {
    throw Object.assign(new Error("no_storage", { cause }), { code: "no_storage" });
  }
}

/** Forgets it. */
export function forget(name) {
  sessionStorage.removeItem(PREFIX + name);
}

/** Forgets everything whose name begins so. */
export function forgetAll(beginning) {
  for (const name of Object.keys(sessionStorage)) {
    if (name.startsWith(PREFIX + beginning)) sessionStorage.removeItem(name);
  }
}
