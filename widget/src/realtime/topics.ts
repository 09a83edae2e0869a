/** Who listens to which topic, how far each is joined, and the cursor up to which nothing was missed. */
import type { Signal, SubscribeReply } from "../wire";
import { Seen } from "./seen";

export type TopicListener = {
  signal(signal: Signal): void;
  /** Read the state anew: the topic was just joined, or signals were missed for good. */
  refetch(why: "joined" | "reset"): void;
  refused?(code: string): void;
};

export const TOPICS_MAX = 20;

type Topic = { listeners: Set<TopicListener>; state: "new" | "joining" | "joined" | "refused" };
type Cursor = { epoch: string; cur: string };

/** One `subscribe` call on its way. */
export type Joining = { names: string[]; cursor: Cursor | null; all: boolean };

export class Topics {
  #topics = new Map<string, Topic>();
  #cursor: Cursor | null = null;
  #catchingUp = false;
  #seen = new Seen();
  /** Listeners that have read their state, so that missed signals are all they need. */
  #caughtUp = new WeakSet<TopicListener>();

  /** False when there are too many topics already. */
  add(name: string, listener: TopicListener): boolean {
    const topic = this.#topics.get(name) ?? { listeners: new Set(), state: "new" };
    if (!this.#topics.has(name) && this.#topics.size >= TOPICS_MAX) return false;
    this.#topics.set(name, topic);
    topic.listeners.add(listener);
    if (topic.state === "joined") queueMicrotask(() => this.#refetch(topic, listener, "joined"));
    return true;
  }

  remove(name: string, listener: TopicListener): void {
    this.#topics.get(name)?.listeners.delete(listener);
    this.#caughtUp.delete(listener);
  }

  /** The server forgot us: everything is to be joined again. */
  unjoin(): void {
    this.#catchingUp = false;
    for (const topic of this.#topics.values()) topic.state = "new";
  }

  /** Drops the topics nobody listens to; gives the names that the server still sends. */
  takeLeft(): string[] {
    const left: string[] = [];
    for (const [name, { listeners, state }] of this.#topics) {
      if (listeners.size > 0) continue;
      this.#topics.delete(name);
      if (state === "joining" || state === "joined") left.push(name);
    }
    return left;
  }

  /** What is to be joined now, if anything. */
  takeNew(): Joining | null {
    const fresh = [...this.#topics].filter(([, { state }]) => state === "new");
    if (fresh.length === 0) return null;
    for (const [, topic] of fresh) topic.state = "joining";
    // Only a call for everything may carry and move the cursor: another topic's signals may be on their way.
    const all = fresh.length === this.#topics.size;
    if (all) this.#catchingUp = true;
    return { names: fresh.map(([name]) => name), cursor: all ? this.#cursor : null, all };
  }

  joined({ names, cursor, all }: Joining, reply: SubscribeReply): void {
    for (const signal of reply.missed) this.dispatch(signal);
    if (all || !this.#cursor) this.#cursor = { epoch: reply.epoch, cur: reply.cur };
    if (all) this.#catchingUp = false;
    const resumed = cursor !== null && !reply.reset;
    for (const name of names) {
      const topic = this.#topics.get(name);
      if (topic) this.#settle(topic, reply.topics[name] ?? "not_found", resumed);
    }
  }

  /** A live signal. While catching up it does not move the cursor past what is still to come. */
  receive(signal: Signal): void {
    if (!this.#catchingUp) this.#cursor = { epoch: signal.epoch, cur: signal.cur };
    this.dispatch(signal);
  }

  dispatch(signal: Signal): void {
    const topic = this.#topics.get(signal.topic);
    if (!topic || !this.#seen.add(signal.id)) return;
    for (const listener of [...topic.listeners]) listener.signal(signal);
  }

  #settle(topic: Topic, code: string, resumed: boolean): void {
    topic.state = code === "ok" ? "joined" : "refused";
    for (const listener of [...topic.listeners]) {
      if (code !== "ok") listener.refused?.(code);
      else if (!this.#caughtUp.has(listener)) this.#refetch(topic, listener, "joined");
      else if (!resumed) this.#refetch(topic, listener, "reset");
    }
  }

  #refetch(topic: Topic, listener: TopicListener, why: "joined" | "reset"): void {
    if (!topic.listeners.has(listener)) return;
    this.#caughtUp.add(listener);
    listener.refetch(why);
  }
}
