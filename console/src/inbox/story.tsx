/** The whole story of a conversation. It keeps to its end while one reads there, and stays put otherwise. */
import type { Answer } from "@widget/realtime/answers";
import { ArrowDown } from "lucide-react";
import { Fragment, type RefObject, useEffect, useLayoutEffect, useRef, useState } from "react";
import { Button } from "../parts/button";
import { announce } from "../parts/notices";
import { dayName } from "../times";
import type { Conversation, Message } from "../wire";
import { OutgoingItem, placeOf, RunningItem, StoredItem } from "./items";
import { visitorName } from "./rows";
import type { Outgoing } from "./thread";
import type { Writer } from "./typing";

const SHOWN_AT_ONCE = 60;
const NEAR_END_PX = 100;

type StoryProps = {
  conversation: Conversation;
  messages: Message[];
  answer: Answer | null;
  outgoing: Outgoing[];
  writers: Writer[];
  /** The message to begin at; without one, the end. */
  wanted: string | null;
  onAgain: (sent: Outgoing) => void;
  onDiscard: (sent: Outgoing) => void;
};

export function Story(props: StoryProps) {
  const { conversation, messages, answer, outgoing, writers, wanted, onAgain, onDiscard } = props;
  const [most, setMost] = useState(() => shownAtFirst(messages, wanted));
  const shown = messages.slice(-most);
  const name = visitorName(conversation);
  const { scroller, content, away, toEnd } = useEnd(outgoing.length, wanted);
  useAnnounced(messages, name);
  return (
    <div className="relative min-h-0 flex-1">
      <div
        ref={scroller}
        role="log"
        aria-live="off"
        aria-label={`Conversation with ${name}`}
        tabIndex={0}
        className="h-full overflow-y-auto px-3 py-4 -outline-offset-2 md:px-6"
      >
        <div ref={content} className="mx-auto flex max-w-3xl flex-col gap-4">
          {shown.length < messages.length && (
            <Button tone="quiet" className="self-center" onClick={() => setMost(most + SHOWN_AT_ONCE)}>
              Show earlier messages
            </Button>
          )}
          {shown.map((message, at) => (
            <Fragment key={message.id}>
              <Day at={message.created_at} before={shown[at - 1]?.created_at} />
              <StoredItem message={message} visitor={name} page={newPage(shown, at)} />
            </Fragment>
          ))}
          {answer && <RunningItem answer={answer} />}
          {outgoing.map((sent) => (
            <OutgoingItem
              key={sent.client_id}
              sent={sent}
              onAgain={() => onAgain(sent)}
              onDiscard={() => onDiscard(sent)}
            />
          ))}
          <p role="status" className="h-4 text-xs text-soft">
            {writers.some(({ name }) => name === null) && "The visitor is typing…"}
          </p>
        </div>
      </div>
      {away && (
        <Button
          className="absolute bottom-3 left-1/2 -translate-x-1/2 rounded-full shadow-float"
          onClick={toEnd}
        >
          <ArrowDown size={16} aria-hidden /> Latest messages
        </Button>
      )}
    </div>
  );
}

/** As many from the end as hold the message that is wanted. */
function shownAtFirst(messages: Message[], wanted: string | null): number {
  const at = messages.findIndex(({ id }) => id === wanted);
  return at === -1 ? SHOWN_AT_ONCE : Math.max(SHOWN_AT_ONCE, messages.length - at + 1);
}

function Day({ at, before }: { at: string; before: string | undefined }) {
  const now = Date.now();
  const day = dayName(at, now);
  if (before !== undefined && dayName(before, now) === day) return null;
  return <p className="text-center text-xs font-medium text-soft">{day}</p>;
}

/** The page a visitor writes from, where it is another than that of the message before. */
function newPage(messages: Message[], at: number): string | null {
  const page = messages[at]?.page_url ?? null;
  const before = messages.slice(0, at).findLast((message) => message.page_url !== null);
  return page === before?.page_url ? null : page;
}

type End = {
  scroller: RefObject<HTMLDivElement | null>;
  content: RefObject<HTMLDivElement | null>;
  away: boolean;
  toEnd: () => void;
};

/** Follows the end while it is near; what oneself sends brings one back to it. It begins at `wanted`, if given. */
function useEnd(sent: number, wanted: string | null): End {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const begin = useRef(wanted);
  const near = useRef(true);
  const [away, setAway] = useState(false);
  const toEnd = (): void => scroller.current?.scrollTo({ top: scroller.current.scrollHeight });
  useLayoutEffect(() => {
    const [box, inner] = [scroller.current, content.current];
    if (!box || !inner) return;
    const look = (): void => {
      near.current = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END_PX;
      setAway(!near.current);
    };
    const grown = new ResizeObserver(() => (near.current ? toEnd() : look()));
    box.addEventListener("scroll", look, { passive: true });
    grown.observe(inner);
    grown.observe(box);
    const place = begin.current === null ? null : document.getElementById(placeOf(begin.current));
    if (place) {
      near.current = false;
      place.scrollIntoView({ block: "center" });
    } else toEnd();
    return () => {
      box.removeEventListener("scroll", look);
      grown.disconnect();
    };
  }, []);
  const before = useRef(sent);
  useLayoutEffect(() => {
    if (sent > before.current) toEnd();
    before.current = sent;
  }, [sent]);
  return { scroller, content, away, toEnd };
}

/** Says what the visitor writes while the conversation is open. */
function useAnnounced(messages: Message[], name: string): void {
  const last = useRef<number | null>(null);
  const newest = messages.at(-1);
  useEffect(() => {
    const place = newest?.seq ?? null;
    if (place === null) return;
    if (last.current !== null && place > last.current && newest?.author.kind === "visitor") {
      announce(`${name} wrote: ${newest.text}`);
    }
    last.current = place;
  }, [newest, name]);
}
