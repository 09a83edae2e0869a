/** A question to try: as an address keeps it, as a call sends it, and its figures as lengths. Pure. */
import type { Evidence, SearchHit, SearchReply, Trial } from "./wire";

export const HITS_MAX = 10;
export const QUESTION_CHARS_MAX = 1_000;
export const HISTORY_MAX = 10;

/** What stands behind the question mark of the address: one who comes back finds the same question. */
export type TrialSearch = { q?: string; before?: string; site?: string };

export function trialSearch({ q, before, site }: Record<string, unknown>): TrialSearch {
  return {
    ...(isText(q) && { q: q.slice(0, QUESTION_CHARS_MAX) }),
    ...(isText(before) && { before }),
    ...(isText(site) && { site }),
  };
}

/** `before` has the visitor's earlier questions, one on each line, the oldest first. */
export function trialOf({ q = "", before = "", site }: TrialSearch): Trial {
  const history = before
    .split("\n")
    .map((line) => line.trim().slice(0, QUESTION_CHARS_MAX))
    .filter(Boolean)
    .slice(-HISTORY_MAX);
  return {
    query: q.trim(),
    limit: HITS_MAX,
    ...(history.length > 0 && { history }),
    ...(site && { site_id: site }),
  };
}

/** What a full bar stands for: cosines end at 1, the others at the best of the list. */
export type Scales = { lexical: number; vector: number; score: number };

export function scalesOf(hits: readonly SearchHit[]): Scales {
  const most = (of: (hit: SearchHit) => number): number => Math.max(...hits.map(of), 0);
  return { lexical: most(({ lexical }) => lexical), vector: 1, score: most(({ score }) => score) };
}

/** A length from 0 to 1. */
export function share(value: number, full: number): number {
  return full > 0 ? Math.min(Math.max(value / full, 0), 1) : 0;
}

/** Whole, and 100 only at the end. */
export function percent(part: number): string {
  const whole = share(part, 1) * 100;
  return `${whole < 100 ? Math.min(Math.round(whole), 99) : 100}\u00a0%`;
}

/** As a length in a style. */
export function length(part: number): string {
  return `${share(part, 1) * 100}%`;
}

/** What a reader who cannot see the bar is told. */
export function evidenceText({ support, partial_from, answered_from }: Evidence): string {
  return (
    `${percent(support)}; the nearest sources are offered from ${percent(partial_from)}, ` +
    `answers are given from ${percent(answered_from)}`
  );
}

/** Whether other words were searched than were typed. */
export function rewritten(reply: SearchReply, trial: Trial): boolean {
  return reply.query.trim().toLowerCase() !== trial.query.trim().toLowerCase();
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "";
}
