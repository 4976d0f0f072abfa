// Stop strings in a stream of text: what could still become one is held back.

/** See {@link createStopMatcher}. */
export interface StopMatcher {
  /** Text that can be shown now; `stopped` once a stop string is complete (it and all after it are never shown). */
  push(text: string): { readonly text: string; readonly stopped: boolean };
  /** The text that was held back; empty after a stop. */
  flush(): string;
}

/** Watches a stream for the earliest of several stop strings. Empty ones are ignored: they would stop everything. */
export function createStopMatcher(stops: readonly string[]): StopMatcher {
  const wanted = stops.filter((stop) => stop !== '');
  let held = '';
  let stopped = false;
  return {
    push(text) {
      if (stopped) return { text: '', stopped };
      const all = held + text;
      const found = wanted.map((stop) => all.indexOf(stop)).filter((at) => at >= 0);
      if (found.length > 0) {
        stopped = true;
        held = '';
        return { text: all.slice(0, Math.min(...found)), stopped };
      }
      const keep = Math.max(0, ...wanted.map((stop) => overlap(all, stop)));
      held = all.slice(all.length - keep);
      return { text: all.slice(0, all.length - keep), stopped };
    },
    flush() {
      const rest = held;
      held = '';
      return rest;
    },
  };
}

/** Length of the longest suffix of `text` that begins `stop`. */
function overlap(text: string, stop: string): number {
  for (let n = Math.min(text.length, stop.length - 1); n > 0; n--) if (text.endsWith(stop.slice(0, n))) return n;
  return 0;
}
