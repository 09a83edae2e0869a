/** Figures and kinds as people read them. Pure. */
import { bytes } from "../times";
import type { Document, DocumentKind, Removed, Version } from "./wire";

export function counted(n: number, one: string, many = `${one}s`): string {
  return `${n.toLocaleString()} ${n === 1 ? one : many}`;
}

type Problem = { code: string; message: string };

export const KINDS: Record<DocumentKind, string> = {
  file: "File",
  page: "Web page",
  faq: "Question and answer",
};

/** What a document is called: a page by what it calls itself, a file by its name. */
export function titleOf({ kind, title, name }: Pick<Document, "kind" | "title" | "name">): string {
  return kind === "page" ? title || name : name;
}

export function factsOf({ kind, size_bytes, pages, passages, version, live_version }: Document): string[] {
  return [
    bytes(size_bytes),
    ...(pages === null || kind === "page" ? [] : [counted(pages, "page")]),
    ...(passages === 0 ? [] : [counted(passages, "passage")]),
    ...(version > 1 ? [`version ${live_version ?? version}`] : []),
  ];
}

export function versionFacts({ size_bytes, pages, passages }: Version): string[] {
  return [
    bytes(size_bytes),
    ...(pages === null ? [] : [counted(pages, "page")]),
    counted(passages, "passage"),
  ];
}

/** A new version is not live while it is read, nor when it could not be. */
export function behind({ status, version, live_version }: Document): string | null {
  if (live_version === null || live_version === version) return null;
  const still = `the bot answers from version ${live_version}`;
  return status === "failed"
    ? `Version ${version} could not be read; ${still}.`
    : `Version ${version} is being read; until then ${still}.`;
}

/** Failures that are not the file's: the same bytes may be read the next time. */
const PASSING = ["embedding_failed", "interrupted", "internal"];

export function mayTryAgain({ code }: Problem): boolean {
  return PASSING.includes(code);
}

/** What went wrong and what to do; the sentences for limits name the limit only. */
export function problemText({ code, message }: Problem): string {
  return code === "too_large" && !message.includes("Split")
    ? `${message} Split it into smaller documents.`
    : message;
}

/** What went with a document, as parts of a sentence. */
export function removedParts({ passages, vectors, postings, versions, files }: Removed): string[] {
  return [
    counted(passages, "passage"),
    counted(vectors, "vector"),
    counted(postings, "word in the index", "words in the index"),
    counted(versions, "version"),
    counted(files, "stored file"),
  ];
}

export function list(parts: readonly string[]): string {
  const last = parts.at(-1) ?? "";
  return parts.length < 2 ? last : `${parts.slice(0, -1).join(", ")} and ${last}`;
}

/** A sentence's words for the middle of another: the first letter is small, "I" stays as it is. */
export function uncapitalised(words: string): string {
  return words.charAt(0).toLowerCase() + words.slice(1);
}
