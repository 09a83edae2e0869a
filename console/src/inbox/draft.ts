/** What one has begun to write, per conversation: kept over reloads, gone with the tab. */
import { useState } from "react";

export type Mode = "reply" | "note";

/** Each mode keeps its own words, so that a note can never be sent as a reply by a slip. */
export type Draft = { mode: Mode; reply: string; note: string };

const EMPTY: Draft = { mode: "reply", reply: "", note: "" };

export function useDraft(conversation_id: string): [Draft, (changed: Partial<Draft>) => void] {
  const place = `chatbot-console:draft:${conversation_id}`;
  const [draft, setDraft] = useState(() => read(place));
  const change = (changed: Partial<Draft>): void => {
    const next = { ...draft, ...changed };
    setDraft(next);
    write(place, next);
  };
  return [draft, change];
}

function read(place: string): Draft {
  try {
    return { ...EMPTY, ...(JSON.parse(sessionStorage.getItem(place) ?? "{}") as Partial<Draft>) };
  } catch {
    return EMPTY;
  }
}

function write(place: string, draft: Draft): void {
  try {
    if (draft.mode === "reply" && !draft.reply && !draft.note) sessionStorage.removeItem(place);
    else sessionStorage.setItem(place, JSON.stringify(draft));
  } catch {
    // Storage is blocked or full: the draft lives as long as its screen.
  }
}
