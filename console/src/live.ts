/** The organisation's one socket: what a signal makes stale is read again, running answers are followed. */
import type { QueryClient, QueryKey } from "@tanstack/react-query";
import { type Answer, withFrame } from "@widget/realtime/answers";
import { Realtime } from "@widget/realtime/client";
import { browserClock, type Clock } from "@widget/realtime/clock";
import { followAnswers } from "@widget/realtime/follow";
import { socketTransport } from "@widget/realtime/socket";
import type { Transport } from "@widget/realtime/transport";
import type { AnswerFrame } from "@widget/wire";
import type { OrgApi } from "./api";
import type { Thread } from "./inbox/thread";
import { keys } from "./keys";
import { Refetcher } from "./refetch";
import type { Signal } from "./wire";

export type Live = {
  realtime: Realtime;
  /** Reads `key` again whenever the topic says so, until the returned function is called. */
  follow(topic: string, key: QueryKey): () => void;
  /** Notes whose answer `mid` is: a frame itself does not say. */
  ownsAnswer(conversation_id: string, mid: string): void;
  start(): void;
  stop(): void;
};

type LiveOptions = { slug: string; api: OrgApi; client: QueryClient; transport?: Transport; clock?: Clock };

const ANSWERS_KNOWN_MAX = 200;

export const topics = {
  inbox: (org_id: string) => `org:${org_id}:inbox`,
  knowledge: (org_id: string) => `org:${org_id}:knowledge`,
  messages: (conversation_id: string) => `conversation:${conversation_id}:messages`,
  notes: (conversation_id: string) => `conversation:${conversation_id}:staff`,
};

export function openLive({ slug, api, client, transport, clock = browserClock }: LiveOptions): Live {
  const realtime = new Realtime({
    connect: transport ?? socketTransport(location.origin, "/staff"),
    auth: () => api.socketToken(),
    clock,
  });
  const refetcher = new Refetcher((key) => readAgain(client, key), clock);
  const cursorOf = (id: string): number => client.getQueryData<Thread>(keys.thread(slug, id))?.cursor ?? 0;
  const hear = (signal: Signal): void =>
    staleAfter(signal, slug, cursorOf).forEach((key) => refetcher.ask(key));
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
  return {
    realtime,
    follow: (topic, key) => realtime.join(topic, { signal: hear, refetch: () => refetcher.ask(key) }),
    ownsAnswer: own,
    start: () => realtime.start(),
    stop: () => realtime.stop(),
  };
}

/**
 * What a signal makes stale. `cursorOf` gives the revision up to which a conversation is known: a message
 * that was read already (our own, mostly) needs no reading.
 */
export function staleAfter(
  signal: Signal,
  slug: string,
  cursorOf: (conversation_id: string) => number,
): QueryKey[] {
  const [scope, id = "", feature] = signal.topic.split(":");
  switch (`${scope}:${feature}`) {
    case "org:inbox":
      return [keys.lists(slug)];
    case "org:knowledge":
      return knowledgeAfter(signal, slug);
    case "conversation:messages":
    case "conversation:staff": {
      const known = signal.event === "message.changed" && cursorOf(id) >= (signal.version ?? Infinity);
      return known ? [] : [keys.thread(slug, id)];
    }
    default:
      return [];
  }
}

/** A question with its answer is a document too; what a crawl reads is its pages. */
function knowledgeAfter({ event, ids }: Signal, slug: string): QueryKey[] {
  if (event === "crawl.changed") {
    return [keys.crawls(slug), ...(ids.crawl_id ? [keys.crawl(slug, ids.crawl_id)] : [])];
  }
  const lists = [keys.documents(slug), keys.faqs(slug), keys.labels(slug)];
  return ids.document_id ? [...lists, keys.document(slug, ids.document_id)] : lists;
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
