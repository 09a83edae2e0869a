/** Labels as they are stored: lower case, once each, sorted. Pure. */
export const LABELS_MAX = 20;
export const LABEL_CHARS_MAX = 40;

const LABEL = /^[\p{L}\p{N}](?:[\p{L}\p{N}_ .:-]*[\p{L}\p{N}_])?$/u;

/** Labels being edited: what is `typed` is none yet, until it is settled. */
export type LabelDraft = { labels: readonly string[]; typed: string; problem: string | null };

export function draftOf(labels: readonly string[]): LabelDraft {
  return { labels, typed: "", problem: null };
}

/** What is typed becomes labels, or a problem: it is never dropped. */
export function settled(draft: LabelDraft): LabelDraft {
  return added(draft, labelsIn(draft.typed));
}

export function added(draft: LabelDraft, labels: readonly string[]): LabelDraft {
  const problem = problemWithLabels(draft.labels, labels);
  return problem === null ? draftOf(withLabels(draft.labels, labels)) : { ...draft, problem };
}

export function without({ labels, typed }: LabelDraft, gone: string): LabelDraft {
  return { labels: labels.filter((each) => each !== gone), typed, problem: null };
}

/** Typed words as labels; commas part them. */
export function labelsIn(typed: string): string[] {
  return typed
    .split(",")
    .map((each) => each.trim().replace(/\s+/g, " ").toLowerCase())
    .filter(Boolean);
}

export function withLabels(labels: readonly string[], added: readonly string[]): string[] {
  return [...new Set([...labels, ...added])].sort();
}

/** Why `added` cannot be put to `labels`, as a sentence. */
export function problemWithLabels(labels: readonly string[], added: readonly string[]): string | null {
  const long = added.find((each) => each.length > LABEL_CHARS_MAX);
  if (long !== undefined) return `A label has at most ${LABEL_CHARS_MAX} characters.`;
  const odd = added.find((each) => !LABEL.test(each));
  if (odd !== undefined) return `“${odd}” is no label: use letters, digits, spaces and - _ . : between them.`;
  if (withLabels(labels, added).length > LABELS_MAX) return `At most ${LABELS_MAX} labels can be given.`;
  return null;
}

/** Labels in use that are not given yet and have the typed letters in them. */
export function suggestions(known: readonly string[], labels: readonly string[], typed: string): string[] {
  const letters = typed.trim().toLowerCase();
  return known.filter((each) => !labels.includes(each) && each.includes(letters));
}

/** Who gets answers from what has these labels. */
export function audience(labels: readonly string[], gets = "answered from it"): string {
  if (labels.length === 0) return `Visitors of every site are ${gets}.`;
  return `Only visitors of sites with the label ${either(labels)} are ${gets}.`;
}

/** What visitors of a site with these labels are answered from. */
export function answeredFrom(labels: readonly string[]): string {
  const open = "Visitors of this site are answered from documents without labels";
  if (labels.length === 0) return `${open} only.`;
  return `${open} and from those with the label ${either(labels)}.`;
}

function either(labels: readonly string[]): string {
  const quoted = labels.map((label) => `“${label}”`);
  const last = quoted.at(-1) ?? "";
  return quoted.length < 2 ? last : `${quoted.slice(0, -1).join(", ")} or ${last}`;
}
