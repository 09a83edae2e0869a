/** A question with its answer while it is written. Pure. */
import { draftOf, type LabelDraft, settled } from "./labels";
import type { Faq, FaqInput } from "./wire";

export const QUESTION_CHARS_MAX = 500;
export const VARIANTS_MAX = 50;
export const ANSWER_CHARS_MAX = 4_000;
export const URL_CHARS_MAX = 2_000;

export type FaqDraft = {
  question: string;
  /** One way to ask on each line. */
  variants: string;
  answer: string;
  url: string;
  labels: LabelDraft;
  word_for_word: boolean;
  enabled: boolean;
};

export type FaqProblems = Partial<Record<"question" | "variants" | "answer" | "url", string>>;

export function faqDraft(faq: FaqInput | null): FaqDraft {
  return {
    question: faq?.question ?? "",
    variants: faq?.variants.join("\n") ?? "",
    answer: faq?.answer ?? "",
    url: faq?.url ?? "",
    labels: draftOf(faq?.labels ?? []),
    word_for_word: faq?.word_for_word ?? true,
    enabled: faq?.enabled ?? true,
  };
}

export function inputOf(draft: FaqDraft): FaqInput {
  return {
    question: draft.question.trim(),
    variants: linesOf(draft.variants),
    answer: draft.answer.trim(),
    url: draft.url.trim() || null,
    labels: [...settled(draft.labels).labels],
    word_for_word: draft.word_for_word,
    enabled: draft.enabled,
  };
}

/** What the server would refuse, each beside its field. */
export function faqProblems({ question, variants, answer, url }: FaqDraft): FaqProblems {
  const ways = linesOf(variants);
  return {
    ...(!isAsked(question) && { question: "Write the question as a visitor would ask it." }),
    ...(ways.length > VARIANTS_MAX && { variants: `At most ${VARIANTS_MAX} other ways can be given.` }),
    ...(ways.some((way) => !isAsked(way)) && {
      variants: `Each line has 1 to ${QUESTION_CHARS_MAX} characters, at least one of them a letter or digit.`,
    }),
    ...(answer.trim() === "" && { answer: "Write the answer." }),
    ...(!isLink(url.trim()) && { url: "A link begins with http:// or https:// and has no spaces." }),
  };
}

export function withoutId({ id: _id, updated_at: _at, ...input }: Faq): FaqInput {
  return input;
}

export function linesOf(text: string): string[] {
  const lines = text.split("\n").map((line) => line.trim().replace(/\s+/g, " "));
  return [...new Set(lines.filter(Boolean))];
}

function isAsked(text: string): boolean {
  return text.length <= QUESTION_CHARS_MAX && /[\p{L}\p{N}]/u.test(text);
}

function isLink(url: string): boolean {
  return url === "" || /^https?:\/\/\S+$/.test(url);
}
