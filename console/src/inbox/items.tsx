/** One thing in the story: said by a visitor, the bot or staff, noted by staff, or told by the house. */
import type { Answer } from "@widget/realtime/answers";
import { CircleHelp, PenLine, StickyNote, TriangleAlert } from "lucide-react";
import { memo, type ReactNode, useState } from "react";
import { BelowAnswer } from "../answers/below";
import { useOrg } from "../org";
import { Avatar } from "../parts/avatar";
import { Button } from "../parts/button";
import { Chip } from "../parts/chip";
import { cx } from "../parts/cx";
import { Markdown, Plain } from "../parts/text";
import { clockTime, fullTime } from "../times";
import type { AuthorKind, Message } from "../wire";
import { Sources } from "./sources";
import type { Outgoing } from "./thread";

const ENDINGS: Record<Message["status"], string | null> = {
  complete: null,
  stopped: "Stopped by the visitor",
  failed: "The answer failed",
  interrupted: "The answer was cut off",
};

/** Where a message stands on the page. */
export function placeOf(mid: string): string {
  return `message-${mid}`;
}

type StoredProps = { message: Message; visitor: string; page: string | null };

export const StoredItem = memo(function StoredItem({ message, visitor, page }: StoredProps) {
  const { author, text, created_at, visibility } = message;
  if (author.kind === "system") return <SystemLine text={text} at={created_at} />;
  if (visibility === "internal") {
    return (
      <NoteCard name={author.name} at={created_at}>
        <Plain text={text} />
      </NoteCard>
    );
  }
  const name = author.kind === "visitor" ? visitor : author.name;
  return (
    <Said
      kind={author.kind}
      id={author.id}
      name={name}
      at={created_at}
      page={page}
      place={placeOf(message.id)}
      below={author.kind === "assistant" && <BelowAnswer message={message} />}
    >
      {author.kind === "assistant" ? <AnswerBody message={message} /> : <Plain text={text} />}
      {message.corrects !== null && (
        <button type="button" onClick={() => show(message.corrects)} className="mt-2 block rounded-full">
          <Chip tone="accent">
            <PenLine size={12} aria-hidden /> Corrects an earlier answer
          </Chip>
        </button>
      )}
    </Said>
  );
});

/** The bot's answer as it is being written. */
export function RunningItem({ answer }: { answer: Answer }) {
  return (
    <Said kind="assistant" id={null} name="Assistant" doing={answer.ended === null ? "is answering…" : ""}>
      {answer.text ? <Markdown text={answer.text} done={false} /> : <Dots />}
    </Said>
  );
}

type OutgoingProps = { sent: Outgoing; onAgain: () => void; onDiscard: () => void };

/** What we sent and is not stored yet. */
export function OutgoingItem({ sent, onAgain, onDiscard }: OutgoingProps) {
  const { staff } = useOrg().me;
  const body = <Plain text={sent.text} />;
  const doing = sent.problem === null ? "Sending…" : "";
  return (
    <div className={sent.problem === null ? "opacity-60" : undefined}>
      {sent.visibility === "internal" ? (
        <NoteCard name={staff.name} doing={doing}>
          {body}
        </NoteCard>
      ) : (
        <Said kind="staff" id={staff.id} name={staff.name} doing={doing}>
          {body}
        </Said>
      )}
      {sent.problem !== null && (
        <div role="alert" className="mt-1.5 flex flex-wrap items-center justify-end gap-2 text-bad">
          <span className="flex items-center gap-1.5">
            <TriangleAlert size={15} aria-hidden /> Not sent. {sent.problem}
          </span>
          <Button onClick={onAgain}>Send again</Button>
          <Button tone="quiet" onClick={onDiscard}>
            Discard
          </Button>
        </div>
      )}
    </div>
  );
}

function AnswerBody({ message }: { message: Message }) {
  const [open, setOpen] = useState<number | null>(null);
  const ending = ENDINGS[message.status];
  return (
    <>
      <Markdown text={message.text} done onCite={(n) => setOpen(open === n ? null : n)} />
      <Sources sources={message.sources} open={open} onOpen={setOpen} />
      {(ending !== null || message.confidence === "unknown" || message.confidence === "partial") && (
        <p className="mt-2 flex flex-wrap gap-2">
          {ending !== null && <Chip tone="warn">{ending}</Chip>}
          {message.confidence === "unknown" && (
            <Chip tone="warn">
              <CircleHelp size={12} aria-hidden /> Did not know
            </Chip>
          )}
          {message.confidence === "partial" && <Chip>Only nearby sources</Chip>}
        </p>
      )}
    </>
  );
}

type SaidProps = {
  kind: AuthorKind;
  id: string | null;
  name: string;
  at?: string;
  doing?: string;
  page?: string | null;
  below?: ReactNode;
  /** The id by which it is found on the page. */
  place?: string;
  children: ReactNode;
};

function Said({ kind, id, name, at, doing, page, below, place, children }: SaidProps) {
  const ours = kind !== "visitor";
  return (
    <article id={place} className={cx("flex gap-2.5", ours && "flex-row-reverse")}>
      <Avatar kind={kind} id={id} name={name} small />
      <div className={cx("min-w-0 max-w-[85%]", ours && "flex flex-col items-end")}>
        <p className="mb-1 flex flex-wrap gap-x-2 text-xs text-soft">
          <span className="font-semibold text-ink">{name}</span>
          {at !== undefined && <Time at={at} />}
          {doing !== undefined && <span>{doing}</span>}
          {page && <span className="max-w-60 truncate">on {pagePath(page)}</span>}
        </p>
        <div
          className={cx(
            "w-fit max-w-full rounded-2xl px-3.5 py-2.5",
            kind === "visitor" && "rounded-tl-md border border-line bg-surface",
            kind === "assistant" && "rounded-tr-md bg-sunken",
            kind === "staff" && "rounded-tr-md bg-accent-tint",
          )}
        >
          {children}
        </div>
        {below}
      </div>
    </article>
  );
}

function NoteCard({
  name,
  at,
  doing,
  children,
}: {
  name: string;
  at?: string;
  doing?: string;
  children: ReactNode;
}) {
  return (
    <article className="rounded-xl border border-note-line bg-note px-3.5 py-2.5 text-note-ink">
      <p className="mb-1 flex flex-wrap items-center gap-x-2 text-xs">
        <StickyNote size={13} aria-hidden />
        <span className="font-semibold">Note by {name}</span>
        {at !== undefined && <Time at={at} />}
        {doing !== undefined && <span>{doing}</span>}
      </p>
      {children}
    </article>
  );
}

function SystemLine({ text, at }: { text: string; at: string }) {
  return (
    <p className="flex items-center gap-3 text-xs text-soft before:h-px before:flex-1 before:bg-line after:h-px after:flex-1 after:bg-line">
      <span className="text-center">
        {text} <Time at={at} />
      </span>
    </p>
  );
}

function Time({ at }: { at: string }) {
  return (
    <time dateTime={at} title={fullTime(at)}>
      {clockTime(at)}
    </time>
  );
}

function Dots() {
  return (
    <span role="img" aria-label="Thinking" className="flex gap-1 py-1.5">
      {[0, 1, 2].map((dot) => (
        <span key={dot} className="pulse size-1.5 rounded-full bg-soft" />
      ))}
    </span>
  );
}

/** Brings a message into sight, where it is drawn. */
function show(mid: string | null): void {
  if (mid !== null) document.getElementById(placeOf(mid))?.scrollIntoView({ block: "center" });
}

function pagePath(url: string): string {
  try {
    const { pathname, search } = new URL(url);
    return pathname + search;
  } catch {
    return url;
  }
}
