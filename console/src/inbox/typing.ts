/** Who writes in a conversation, told and heard. Notes are told to colleagues alone. */
import { Typists, TypingTeller } from "@widget/realtime/typing";
import type { BroadcastEvent, Typing } from "@widget/wire";
import { useCallback, useEffect, useMemo, useState } from "react";
import { useOrg } from "../org";
import { useRealtimeBroadcast } from "../realtime/broadcast";
import { staffKey } from "../realtime/people";
import { useLive } from "../realtime/provider";
import { topics } from "../realtime/topics";
import type { Mode } from "./draft";

/** Somebody who writes; `name` is null for a visitor. */
export type Writer = { name: string | null; writes: Mode };

const NOTE_TYPING = "note.typing";

/** One teller for each mode, so that a visitor never hears of a note. */
export function useTellTyping(conversation_id: string): Record<Mode, TypingTeller> {
  const { realtime, clock } = useLive();
  const broadcast = useRealtimeBroadcast(topics.notes(conversation_id));
  const tellers = useMemo(
    () => ({
      reply: new TypingTeller(clock, (on) => {
        // Nobody is harmed when it does not arrive.
        realtime.call("typing", { conversation_id, on }).catch(() => undefined);
      }),
      note: new TypingTeller(clock, (on) => broadcast(NOTE_TYPING, { on })),
    }),
    [realtime, clock, broadcast, conversation_id],
  );
  useEffect(
    () => () => {
      tellers.reply.stop();
      tellers.note.stop();
    },
    [tellers],
  );
  return tellers;
}

/** Everyone else who writes in the conversation now. */
export function useTyping(conversation_id: string): Writer[] {
  const { realtime, clock } = useLive();
  const { staff } = useOrg().me;
  const [replies, setReplies] = useState<readonly Typing[]>([]);
  const [notes, setNotes] = useState<readonly Typing[]>([]);
  const noted = useMemo(() => new Typists(clock, setNotes), [clock]);
  useEffect(() => {
    const typists = new Typists(clock, setReplies);
    const stop = realtime.on("typing", (typing) => {
      const own = typing.kind === "staff" && typing.name === staff.name;
      if (typing.conversation_id === conversation_id && !own) typists.hear(typing);
    });
    return () => {
      stop();
      typists.end();
      noted.end();
    };
  }, [realtime, clock, noted, staff, conversation_id]);
  const hear = useCallback(
    ({ event, payload, from }: BroadcastEvent) => {
      if (event !== NOTE_TYPING || from.key === staffKey(staff.id)) return;
      noted.hear({ conversation_id, kind: "staff", name: from.name, on: payload.on === true });
    },
    [noted, staff, conversation_id],
  );
  useRealtimeBroadcast(topics.notes(conversation_id), hear);
  return [...replies.map(writer("reply")), ...notes.map(writer("note"))];
}

function writer(writes: Mode): (typing: Typing) => Writer {
  return ({ kind, name }) => ({ name: kind === "visitor" ? null : name || "A colleague", writes });
}
