/** Where staff write. Reply and note look different, and only the person changes between them. */
import { Lock, MessageSquare, SendHorizontal, StickyNote } from "lucide-react";
import { type KeyboardEvent, type ReactNode, type RefObject, useRef } from "react";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { cx } from "../parts/cx";
import { useShortcuts } from "../shell/shortcuts";
import type { Conversation, Message } from "../wire";
import { type Mode, useDraft } from "./draft";
import { isMine } from "./rows";
import { useTellTyping } from "./typing";

const TEXT_CHARS_MAX = 4_000;

type ComposerProps = {
  conversation: Conversation;
  onSay: (text: string, visibility: Message["visibility"]) => void;
  /** Called on Escape; the field has lost the focus. */
  onLeave: () => void;
  /** The way to a reply when one may not write one yet. */
  takeOver: ReactNode;
};

export function Composer({ conversation, onSay, onLeave, takeOver }: ComposerProps) {
  const { me } = useOrg();
  const [draft, change] = useDraft(conversation.id);
  const field = useRef<HTMLTextAreaElement>(null);
  const typing = useTellTyping(conversation.id);
  const note = draft.mode === "note";
  const mayWrite = note || isMine(conversation, me.staff.id);
  const text = draft[draft.mode];
  const turnTo = (mode: Mode) => (): void => {
    change({ mode });
    focusSoon(field);
  };
  useShortcuts({ r: turnTo("reply"), n: turnTo("note") });
  const send = (): void => {
    if (!mayWrite || !text.trim()) return;
    typing[draft.mode].stop();
    onSay(text.trim(), note ? "internal" : "public");
    change({ [draft.mode]: "" });
    field.current?.focus();
  };
  const press = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      send();
    } else if (event.key === "Escape" && !event.nativeEvent.isComposing) {
      event.stopPropagation();
      field.current?.blur();
      onLeave();
    }
  };
  return (
    <div className={cx("border-t p-3", note ? "border-note-line bg-note" : "border-line bg-surface")}>
      <div role="group" aria-label="What to write" className="mb-2 flex items-center gap-1">
        <ModeButton on={!note} onClick={turnTo("reply")}>
          <MessageSquare size={14} aria-hidden /> Reply
        </ModeButton>
        <ModeButton on={note} onClick={turnTo("note")}>
          <StickyNote size={14} aria-hidden /> Note
        </ModeButton>
        {mayWrite && (
          <span className={cx("ms-auto text-xs pointer-coarse:hidden", note ? "text-note-ink" : "text-soft")}>
            Ctrl + Enter sends
          </span>
        )}
      </div>
      {mayWrite ? (
        <div className="flex items-end gap-2">
          <textarea
            ref={field}
            value={text}
            rows={2}
            maxLength={TEXT_CHARS_MAX}
            dir="auto"
            aria-label={note ? "Note for colleagues" : "Reply to the visitor"}
            placeholder={note ? "Only colleagues see this note" : "Write to the visitor"}
            onChange={(event) => {
              change({ [draft.mode]: event.target.value });
              typing[draft.mode].key();
            }}
            onBlur={() => typing[draft.mode].stop()}
            onKeyDown={press}
            className={cx(
              "field-sizing-content max-h-48 min-h-15 flex-1 resize-none rounded-lg border px-3 py-2",
              note
                ? "border-note-line bg-note text-note-ink placeholder:text-note-ink/70"
                : "border-edge bg-surface placeholder:text-soft",
            )}
          />
          <Button
            tone={note ? "note" : "primary"}
            disabled={!text.trim()}
            onClick={send}
            title="Ctrl + Enter"
          >
            <SendHorizontal size={16} aria-hidden />
            {note ? "Add note" : "Send"}
          </Button>
        </div>
      ) : (
        <NotYet conversation={conversation} takeOver={takeOver} />
      )}
    </div>
  );
}

function ModeButton({ on, ...rest }: { on: boolean; onClick: () => void; children: ReactNode }) {
  return (
    <button
      type="button"
      aria-pressed={on}
      className={cx(
        "flex h-7 items-center gap-1.5 rounded-md px-2.5 text-xs font-medium",
        on ? "bg-ink text-surface" : "text-soft hover:bg-hover hover:text-ink",
      )}
      {...rest}
    />
  );
}

/** Why one may not reply, and what would change that. */
function NotYet({
  conversation: { state, handoff },
  takeOver,
}: {
  conversation: Conversation;
  takeOver: ReactNode;
}) {
  return (
    <div className="flex min-h-15 flex-wrap items-center justify-between gap-x-4 gap-y-2 rounded-lg bg-sunken px-3 py-2 text-soft">
      {state === "closed" && (
        <p className="flex items-center gap-2">
          <Lock size={16} aria-hidden /> Closed. It opens again when the visitor writes.
        </p>
      )}
      {state === "staff" && <p>{handoff?.taken_by?.name ?? "A colleague"} has this conversation.</p>}
      {(state === "bot" || state === "waiting") && (
        <>
          <p>
            {state === "waiting" ? "The visitor waits for a person." : "The bot answers here."} Take over to
            reply.
          </p>
          {takeOver}
        </>
      )}
    </div>
  );
}

/** After the field of the other mode stands there. */
function focusSoon(field: RefObject<HTMLTextAreaElement | null>): void {
  requestAnimationFrame(() => field.current?.focus());
}
