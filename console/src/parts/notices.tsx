/** Short news at the edge of the screen, and words for screen readers alone. */
import { X } from "lucide-react";
import { useSyncExternalStore } from "react";
import { IconButton } from "./button";
import { cx } from "./cx";

export type Notice = { id: number; text: string; bad: boolean };

const SHOWN_MS = 7_000;
const NOTICES_MAX = 3;

let notices: Notice[] = [];
let announcement = "";
let last_id = 0;
const listeners = new Set<() => void>();

/** Shows a sentence for a while; `bad` ones interrupt a screen reader. */
export function notify(text: string, { bad = false } = {}): void {
  const id = ++last_id;
  notices = [...notices.filter((each) => each.text !== text), { id, text, bad }].slice(-NOTICES_MAX);
  changed();
  setTimeout(() => dismiss(id), SHOWN_MS);
}

export function dismiss(id: number): void {
  notices = notices.filter((each) => each.id !== id);
  changed();
}

/** Says a sentence to screen readers, politely. */
export function announce(text: string): void {
  // The same words twice are two announcements: a trailing space makes them differ.
  announcement = text === announcement ? `${text} ` : text;
  changed();
}

export function Notices() {
  const shown = useSyncExternalStore(subscribe, () => notices);
  const said = useSyncExternalStore(subscribe, () => announcement);
  return (
    <>
      <div role="status" className="sr-only">
        {said}
      </div>
      <div className="pointer-events-none fixed inset-x-0 bottom-16 z-60 flex flex-col items-center gap-2 px-4 md:bottom-4">
        {shown.map((notice) => (
          <div
            key={notice.id}
            role={notice.bad ? "alert" : "status"}
            className={cx(
              "pointer-events-auto flex max-w-md items-center gap-2 rounded-xl py-1 pr-1 pl-4 shadow-float",
              notice.bad ? "bg-bad-tint text-bad" : "bg-surface text-ink",
            )}
          >
            <span className="min-w-0 py-1 wrap-anywhere">{notice.text}</span>
            <IconButton label="Dismiss" onClick={() => dismiss(notice.id)}>
              <X size={16} aria-hidden />
            </IconButton>
          </div>
        ))}
      </div>
    </>
  );
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function changed(): void {
  for (const listener of listeners) listener();
}
