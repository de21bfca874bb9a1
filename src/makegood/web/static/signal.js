/** A value that others watch. */

/** `watch` calls the listener now and at every change, until its AbortSignal ends. */
export function signal(value) {
  const listeners = new Set();
  return {
    get value() {
      return value;
    },
    set(next) {
      value = next;
      for (const listener of [...listeners]) listener(value);
    },
    watch(listener, life) {
      listeners.add(listener);
      life?.addEventListener("abort", () => listeners.delete(listener), { once: true });
      listener(value);
    },
  };
}

/** Waits; ends early, with false, when `life` does. */
export function pause(milliseconds, life) {
  return new Promise((resolve) => {
    if (life?.aborted) return resolve(false);
    const stop = () => { clearTimeout(timer); resolve(false); };
    const timer = setTimeout(() => { life?.removeEventListener("abort", stop); resolve(true); }, milliseconds);
    life?.addEventListener("abort", stop, { once: true });
  });
}

/** Calls `work` now and every so often while the page can be seen; the next waits for the one before. */
export async function repeat(milliseconds, work, life) {
  do {
    if (!document.hidden) await work();
  } while (await pause(milliseconds, life));
}
