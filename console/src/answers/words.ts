/** How an answer came to be, in words. What has no words of its own is named by its code. Pure. */
import { percent } from "../knowledge/trying";
import { counted } from "../knowledge/words";
import type { AnswerTrace, ReviewEntry, Step, Timings, Trace } from "./wire";

/** Why a model gave no whole answer, as the end of “the model …”. */
const FAILURES: Record<string, string> = {
  unreachable: "could not be reached",
  address_refused: "stands at an address that may not be called from here",
  tls_failed: "has no valid certificate",
  rate_limited: "took no more requests",
  refused: "refused the request",
  unavailable: "had trouble of its own",
  timeout_first: "did not begin in time",
  timeout_idle: "fell silent in the middle",
  timeout_whole: "took too long",
  ended_early: "broke off",
  empty: "answered without a word",
  filtered: "was cut by the endpoint's content filter",
  bad_reply: "sent something that is no answer",
  too_long: "wrote more than an answer can hold",
  circuit_open: "was left alone, because it had failed several times in a row",
  key_unreadable: "has a stored key that can no longer be read",
  no_model: "is not there: none is set",
  stopped: "was stopped",
};

const ROUTES: Record<string, string> = {
  courtesy: "A courtesy: greetings, thanks and goodbyes are answered without looking anything up.",
  person: "The visitor asked for a person, and one was called.",
  curated: "Somebody wrote this answer by hand; it was given word for word.",
  quotes: "The bot quoted the documents word for word.",
  unknown: "The documents do not hold an answer, so the bot said that it does not know.",
  unavailable:
    "The documents could not be searched, so the bot asked the visitor to wait or to call a person.",
};

const OVER_BUDGET: Record<string, string> = {
  visitor: "this visitor",
  site: "this site",
  org: "the organisation",
};

const ENDINGS: Record<AnswerTrace["status"], string | null> = {
  running: "It is being written right now.",
  complete: null,
  stopped: "The visitor stopped it.",
  failed: "It failed before its end.",
  withdrawn: "It was withdrawn: a person had taken over.",
  interrupted: "It was cut off when the service stopped.",
};

/** Who wrote the text; `model` is the name of the model, where it was one. */
export function routeText(route: string, model: string): string {
  if (route === "model") return `${model} wrote it from the passages found.`;
  return ROUTES[route] ?? `It was answered by the way “${route}”.`;
}

const ERRORS: Record<string, string> = {
  answer_timeout: "It took longer than an answer may.",
  answer_too_long: "It became longer than an answer may be.",
  not_stored: "It could not be stored.",
  internal: "Something went wrong within the service; its log says more.",
};

const CUTS: Record<string, string> = {
  cut_length: "The model's answer was cut at its longest.",
  cut_instructions: "The model began to recite its instructions; its text was cut there.",
};

/** Why an answer ended before its end, where its degradations do not say so already. */
export function errorText(code: string): string {
  return ERRORS[code] ?? `The reason has the code “${code}”.`;
}

export function endingText({ status }: Pick<AnswerTrace, "status">): string | null {
  return ENDINGS[status];
}

/** Why the answer was not the best that is set up, as a sentence. */
export function degradedText(code: string): string {
  const [kind = "", ...rest] = code.split("_");
  const what = rest.join("_");
  if (CUTS[code]) return CUTS[code];
  if (code === "too_fast") return "No model was asked: the visitor wrote faster than is answered in full.";
  if (code.startsWith("over_budget")) {
    const whose = OVER_BUDGET[code.slice("over_budget_".length)];
    return `No model was asked: the day's allowance${whose ? ` of ${whose}` : ""} was used up.`;
  }
  if (kind === "model" && FAILURES[what]) return `The model ${FAILURES[what]}.`;
  if (kind === "search") return `The documents could not be searched as usual (${what}).`;
  if (kind === "cut") return `What the model wrote was cut on its way out (${what.replaceAll("_", " ")}).`;
  return `Something else stood in the way (${code}).`;
}

/** How one call to a model went: short enough for a chip, or a clause. */
export function stepText({ code, kind }: Pick<Step, "code" | "kind">): string {
  if (code === "ok") return "Answered";
  const said = kind ? ` (“${kind}”)` : "";
  return `${capitalised(FAILURES[code] ?? code)}${said}`;
}

export function bandText(band: string): string {
  switch (band) {
    case "answered":
      return "enough to answer from";
    case "partial":
      return "near, but not enough for a sure answer";
    case "unknown":
      return "too little to answer from";
    default:
      return band;
  }
}

export function evidenceText({ band, support }: Pick<Trace, "band" | "support">): string | null {
  if (band === null || band === undefined) return null;
  return typeof support === "number"
    ? `Evidence ${percent(support)}: ${bandText(band)}`
    : `Evidence: ${bandText(band)}`;
}

export function languageName(code: string): string {
  try {
    return new Intl.DisplayNames(["en"], { type: "language" }).of(code) ?? code;
  } catch {
    return code; // no language's code
  }
}

/** "340 ms", "2.4 s". */
export function duration(ms: number): string {
  return ms < 1_000 ? `${Math.round(ms)}\u00a0ms` : `${(ms / 1_000).toFixed(1)}\u00a0s`;
}

/** In the currency of the prices that were entered, which we do not know: a figure alone. */
export function cost(amount: number): string {
  if (amount === 0) return "0";
  if (amount < 0.000_001) return "below 0.000001";
  return amount.toLocaleString("en", { maximumSignificantDigits: amount < 1 ? 2 : 4 });
}

export function tokenText(prompt: number, completion: number, estimated = false): string {
  const about = estimated ? "about " : "";
  return `${about}${prompt.toLocaleString()} in, ${completion.toLocaleString()} out`;
}

export function totalText(trace: Trace): string {
  const tokens = trace.prompt_tokens + trace.completion_tokens;
  const parts = [
    trace.steps.length === 0 ? "No model was called" : counted(trace.steps.length, "call"),
    ...(tokens > 0 ? [counted(tokens, "token")] : []),
    ...(typeof trace.cost === "number" ? [`cost ${cost(trace.cost)}`] : []),
  ];
  return parts.join(" · ");
}

/** One stretch of the time that an answer took. */
export type Stretch = { name: string; from: number; to: number };

/** What happened when, in order; what did not happen is left out. */
export function stretches({ rewritten, found, first_text, whole }: Timings): Stretch[] {
  const marks: [string, number | null | undefined][] = [
    ["Made sense of the question", rewritten],
    ["Searched the documents", found],
    ["Waited for the first word", first_text],
    ["Wrote", whole],
  ];
  const all: Stretch[] = [];
  let from = 0;
  for (const [name, at] of marks) {
    if (typeof at !== "number") continue;
    all.push({ name, from, to: Math.max(at, from) });
    from = Math.max(at, from);
  }
  return all;
}

export function reviewText({ kind }: Pick<ReviewEntry, "kind">): string {
  switch (kind) {
    case "checked":
      return "Marked as checked";
    case "corrected":
      return "Corrected";
    case "withdrawn":
      return "Taken back";
  }
}

/** Which version of how the bot speaks an answer was given under. */
export function personaText(version: number): string {
  return version === 0 ? "Built-in persona" : `Persona version ${version}`;
}

function capitalised(words: string): string {
  return words.charAt(0).toUpperCase() + words.slice(1);
}
