/** The organisation's one socket: what a signal makes stale is read again, running answers are followed. */
import type { QueryClient, QueryKey } from "@tanstack/react-query";
import { type Answer, withFrame } from "@widget/realtime/answers";
import { type Credentials, Realtime, type Why } from "@widget/realtime/client";
import { browserClock, type Clock } from "@widget/realtime/clock";
import { followAnswers } from "@widget/realtime/follow";
import { browserPage, type Page } from "@widget/realtime/page";
import { socketTransport } from "@widget/realtime/socket";
import type { Transport } from "@widget/realtime/transport";
import type { AnswerFrame } from "@widget/wire";
import type { Thread } from "../inbox/thread";
import { keys } from "../keys";
import type { Signal } from "../wire";
import { Refetcher } from "./refetch";
import { staleAfter } from "./stale";

export type Live = {
  realtime: Realtime;
  clock: Clock;
  /** Keeps `key` fresh: reads it again whenever the topic says so, until the returned function is called. */
  keepFresh(topic: string, key: QueryKey): () => void;
  /** Notes whose answer `mid` is: a frame itself does not say. */
  ownsAnswer(conversation_id: string, mid: string): void;
};

export type LiveOptions = {
  slug: string;
  auth: () => Promise<Credentials>;
  client: QueryClient;
  transport?: Transport;
  clock?: Clock;
  page?: Page;
};

const ANSWERS_KNOWN_MAX = 200;

export function openLive({ slug, auth, client, transport, ...world }: LiveOptions): Live {
  const { clock = browserClock, page = browserPage } = world;
  const connect = transport ?? socketTransport(location.origin, "/staff");
  const realtime = new Realtime({ connect, auth, clock, page });
  const refetcher = new Refetcher({
    run: (key) => readAgain(client, key),
    clock,
    throttled: () => realtime.countThrottled(),
  });
  const known = (id: string): number => client.getQueryData<Thread>(keys.thread(slug, id))?.cursor ?? 0;
  let heard = ""; // the signal told last: several keys may follow one topic, and each is told of it
  const hear = (signal: Signal): void => {
    if (signal.id === heard) return;
    heard = signal.id;
    staleAfter(signal, slug).forEach((key) => void refetcher.ask(key));
  };
  const keepFresh = (topic: string, key: QueryKey): (() => void) =>
    realtime.join(topic, {
      signal: hear,
      shows: (signal) => shownRev(signal, known),
      // The cache itself reads what is on screen when the page is seen again.
      refetch: (why: Why) => (why === "focus" ? undefined : refetcher.ask(key)),
    });
  return { realtime, clock, keepFresh, ownsAnswer: followedAnswers(realtime, client, slug) };
}

/** A message that was read already, our own mostly, needs no reading: the cursor says up to where. */
function shownRev({ topic, event }: Signal, known: (conversation_id: string) => number): number | null {
  const [scope, id = ""] = topic.split(":");
  return scope === "conversation" && event === "message.changed" ? known(id) : null;
}

/** Lays every frame into the answer of its conversation; gives the way to say which that is. */
function followedAnswers(realtime: Realtime, client: QueryClient, slug: string): Live["ownsAnswer"] {
  const owners = new Map<string, string>();
  const own = (conversation_id: string, mid: string): void => {
    owners.set(mid, conversation_id);
    for (const oldest of owners.keys()) {
      if (owners.size <= ANSWERS_KNOWN_MAX) break;
      owners.delete(oldest);
    }
  };
  followAnswers(realtime, (frame) => {
    if (frame.event === "answer.start") own(frame.frame.conversation_id, frame.frame.mid);
    const owner = owners.get(frame.frame.mid);
    return owner === undefined ? null : withAnswerFrame(client, keys.answer(slug, owner), frame);
  });
  return own;
}

/** A first reading that is under way began before the signal: it is waited for, and followed by another. */
async function readAgain(client: QueryClient, queryKey: QueryKey): Promise<void> {
  const first = client
    .getQueryCache()
    .findAll({ queryKey, fetchStatus: "fetching" })
    .filter((query) => query.state.data === undefined);
  await Promise.allSettled(first.map((query) => query.promise));
  await client.invalidateQueries({ queryKey });
}

function withAnswerFrame(client: QueryClient, key: QueryKey, frame: AnswerFrame): Answer | null {
  const answer = withFrame(client.getQueryData<Answer | null>(key) ?? null, frame);
  client.setQueryData<Answer | null>(key, answer);
  return answer;
}
