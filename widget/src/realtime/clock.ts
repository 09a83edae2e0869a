/** Time and chance, passed in, so that a test can hold both. */
export type Clock = {
  now(): number;
  /** Calls `run` once after `ms`; the returned function takes it back. */
  after(ms: number, run: () => void): () => void;
  /** A number in [0, 1). */
  random(): number;
};

export const browserClock: Clock = {
  now: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};

/** Wait before attempt `n` (from 0): 0.5–1 s at first, doubled to at most 7.5–15 s. */
export function backoff(n: number, random: () => number): number {
  const ceiling = Math.min(15_000, 1_000 * 2 ** Math.min(n, 10));
  return ceiling * (0.5 + random() / 2);
}
