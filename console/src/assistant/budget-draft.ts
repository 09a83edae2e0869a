/** What answers may cost a day, while it is being written, and what they have cost. Pure. */
import type { Allowance, AllowanceInput, Budget, Day, Scope } from "./wire";

const ANSWERS_MAX = 1_000_000_000;
const TOKENS_MAX = 1_000_000_000_000;

/** From the whole to the single one. */
export const SCOPES: readonly Scope[] = ["org", "site", "visitor"];

export const SCOPE_NAMES: Record<Scope, string> = {
  org: "The whole organisation",
  site: "Each site",
  visitor: "Each visitor",
};

export type Measure = "answers" | "tokens";
export const MEASURES: readonly Measure[] = ["answers", "tokens"];

/** What is typed, by scope and measure; empty follows the default. */
export type BudgetDraft = Record<Scope, Record<Measure, string>>;

export function budgetDraft({ allowances }: Pick<Budget, "allowances">): BudgetDraft {
  const of = (scope: Scope): Record<Measure, string> => {
    const one = allowances.find((each) => each.scope === scope);
    return { answers: typed(one?.answers_per_day), tokens: typed(one?.tokens_per_day) };
  };
  return { org: of("org"), site: of("site"), visitor: of("visitor") };
}

export function sameBudget(a: BudgetDraft, b: BudgetDraft): boolean {
  return SCOPES.every((scope) =>
    MEASURES.every((measure) => number(a[scope][measure]) === number(b[scope][measure])),
  );
}

/** Only what differs from `stored` is sent: a colleague's change elsewhere stays. */
export function budgetInput(draft: BudgetDraft, stored: BudgetDraft): AllowanceInput[] {
  return SCOPES.filter((scope) => !sameBudget({ ...stored, [scope]: draft[scope] }, stored)).map((scope) => ({
    scope,
    answers_per_day: number(draft[scope].answers),
    tokens_per_day: number(draft[scope].tokens),
  }));
}

export function problemWith(value: string, measure: Measure): string | null {
  const amount = number(value);
  const most = measure === "answers" ? ANSWERS_MAX : TOKENS_MAX;
  if (amount === null) return null;
  if (Number.isNaN(amount)) return "Enter a whole number, or nothing for the default.";
  return amount > most ? `Enter at most ${most.toLocaleString()}.` : null;
}

export function isWrong(draft: BudgetDraft): boolean {
  return SCOPES.some((scope) =>
    MEASURES.some((measure) => problemWith(draft[scope][measure], measure) !== null),
  );
}

/** What counts: what was chosen, else the default. */
export function allowed(allowance: Allowance, measure: Measure): number {
  return measure === "answers"
    ? (allowance.answers_per_day ?? allowance.default_answers_per_day)
    : (allowance.tokens_per_day ?? allowance.default_tokens_per_day);
}

export function defaultOf(allowance: Allowance, measure: Measure): number {
  return measure === "answers" ? allowance.default_answers_per_day : allowance.default_tokens_per_day;
}

export type Fullness = "good" | "warn" | "bad";

/** How full a day is, as a colour. */
export function fullness(used: number, most: number): Fullness {
  if (used >= most) return "bad";
  return used >= most * 0.8 ? "warn" : "good";
}

/** The most of any day, at least 1: what a full bar stands for. */
export function most(days: readonly Day[], measure: Measure): number {
  return Math.max(1, ...days.map((day) => day[measure]));
}

/** "Sat 21 Nov": days are those of UTC, wherever one sits. */
export function dayText(day: string): string {
  return new Date(`${day}T00:00:00Z`).toLocaleDateString(undefined, {
    weekday: "short",
    day: "numeric",
    month: "short",
    timeZone: "UTC",
  });
}

const WHOLE = /^(\d+|\d{1,3}([\s,.'’]\d{3})+)$/;

/** Its figure, null for an empty field, NaN for what is none; marks between thousands may stand. */
function number(value: string): number | null {
  const plain = value.trim();
  if (plain === "") return null;
  return WHOLE.test(plain) ? Number(plain.replace(/\D/g, "")) : NaN;
}

function typed(value: number | null | undefined): string {
  return typeof value === "number" ? `${value}` : "";
}
