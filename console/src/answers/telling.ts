/** Telling others who got the same wrong answer: whom, and in which words. Pure. */
import { counted } from "../knowledge/words";
import type { Affected } from "./wire";

export const TOLD_AT_ONCE = 100;
export const NOTICE_CHARS_MAX = 4_000;
export const CORRECTION_CHARS_MAX = 24_000;

const LEAD = "An earlier answer in this chat was not right. This is how it should read:";
const MARKER = /[ \t]?\[\d{1,3}(?:[ \t]*,[ \t]*\d{1,3})*\]/g;

const EMPHASIS = /(\*\*|__|`)(.+?)\1/g;
const LINK = /\[([^\]]+)\]\(([^)\s]+)\)/g;
const HEADING = /^#{1,6}[ \t]+/gm;

/**
 * What is proposed to be told. A notice is a colleague's message, which is shown as it is written: without
 * Markdown, and without markers, which name sources that it does not have.
 */
export function noticeText(corrected: string): string {
  const plain = corrected
    .replace(MARKER, "")
    .replace(LINK, "$1 ($2)")
    .replace(EMPHASIS, "$2")
    .replace(HEADING, "");
  return `${LEAD}\n\n${plain.trim()}`.slice(0, NOTICE_CHARS_MAX);
}

/** Everybody who can still be told. */
export function untold(items: readonly Affected[]): string[] {
  return items.filter((each) => !each.told).map((each) => each.message_id);
}

/** As many as one call takes, at a time. */
export function batches(ids: readonly string[]): string[][] {
  const all: string[][] = [];
  for (let at = 0; at < ids.length; at += TOLD_AT_ONCE) all.push(ids.slice(at, at + TOLD_AT_ONCE));
  return all;
}

/** "12 other answers", "50+ other answers"; null when there is none. */
export function affectedText(items: readonly Affected[], more: boolean): string | null {
  if (items.length === 0) return null;
  const visitors = new Set(items.map((each) => each.visitor?.id ?? each.conversation_id)).size;
  const who = more ? `${visitors}+ other visitors` : counted(visitors, "other visitor");
  const was = visitors === 1 && !more ? "was" : "were";
  return `${who} ${was} answered from the same passage`;
}

/** What came of it. */
export function toldText(sent: number, skipped: number): string {
  const told =
    sent === 0 ? "Nobody was told anew" : `${counted(sent, "visitor")} ${sent === 1 ? "was" : "were"} told`;
  return skipped === 0
    ? `${told}.`
    : `${told}; ${counted(skipped, "answer")} needed no notice of ${skipped === 1 ? "its" : "their"} own.`;
}

/** Who it is, as in the inbox. */
export function affectedName({ visitor }: Affected): string {
  return visitor?.name || `Visitor ${visitor?.id.slice(-4) ?? "unknown"}`;
}
