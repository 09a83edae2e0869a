/** Who listens to which topic, how far each is joined, and the cursor up to which nothing was missed. */
import type { Signal, SubscribeReply } from "../wire";
import { safely } from "./safely";
import { Seen } from "./seen";

/**
 * `joined`: the topic was just joined · `reset`: signals were missed for good · `poll`: there is nobody to tell
 * us · `focus`: the page is seen again, and what it shows was read long ago.
 */
export type Why = "joined" | "reset" | "poll" | "focus";

export type TopicListener = {
  signal(signal: Signal): void;
  /** The version that is shown of what a signal names, if known: a signal that is not above it is not told. */
  shows?(signal: Signal): number | null | undefined;
  /** Read the state anew. A promise is waited for before polling goes on. */
  refetch(why: Why): unknown;
  /** The server has us in the topic: told after each connection. */
  joined?(): void;
  refused?(code: string): void;
};

export const TOPICS_MAX = 20;
const STALE_MS = 30_000; // what was read longer ago is read again when the page is seen

/** `paused`: switched off on the server for now, so that it is polled. */
type State = "new" | "joining" | "joined" | "refused" | "paused";
/** One listener's stay; `readAt` is when it was last told to read, null before it has a state to go on from. */
export type Stay = { listener: TopicListener; readAt: number | null };
/** `behind`: it was not followed for a while, so that the cursor does not speak for it. */
type Topic = { stays: Set<Stay>; state: State; behind: boolean };
type Cursor = { epoch: string; cur: string };

/** One `subscribe` call on its way. */
export type Joining = { names: string[]; cursor: Cursor | null; all: boolean };

export class Topics {
  #topics = new Map<string, Topic>();
  #cursor: Cursor | null = null;
  #catchingUp = false;
  #seen = new Seen();

  constructor(private readonly now: () => number) {}

  /** Null when there are too many topics already. */
  add(name: string, listener: TopicListener): Stay | null {
    const topic = this.#topics.get(name) ?? { stays: new Set(), state: "new", behind: false };
    if (!this.has(name) && this.#inUse >= TOPICS_MAX) return null;
    const stay: Stay = { listener, readAt: null };
    this.#topics.set(name, topic);
    topic.stays.add(stay);
    if (topic.state === "refused") this.#forget(topic); // it may be ours by now
    queueMicrotask(() => {
      if (!topic.stays.has(stay) || stay.readAt !== null) return;
      if (topic.state === "joined") safely(() => listener.joined?.());
      if (["joined", "paused"].includes(topic.state)) this.#refetch(topic, stay, "joined");
    });
    return stay;
  }

  remove(name: string, stay: Stay): void {
    this.#topics.get(name)?.stays.delete(stay);
  }

  /** Whether anybody listens to it. */
  has(name: string): boolean {
    return (this.#topics.get(name)?.stays.size ?? 0) > 0;
  }

  /** Whether the server was asked for it: what it tells whoever joins it may have told already. */
  isAsked(name: string): boolean {
    return (this.#topics.get(name)?.state ?? "new") !== "new";
  }

  /** The server forgot us: everything is to be joined again. */
  unjoin(): void {
    this.#catchingUp = false;
    for (const topic of this.#topics.values()) this.#forget(topic);
  }

  /** A call that was refused for now: its topics are to be joined again. */
  putBack({ names }: Joining): void {
    for (const name of names) {
      const topic = this.#topics.get(name);
      if (topic) this.#forget(topic);
    }
  }

  /** What was told so far no longer counts: joining again makes everyone read. */
  forgetCursor(): void {
    this.#cursor = null;
  }

  /** Asks for paused topics again: they may be on by now. */
  unpause(): void {
    for (const topic of this.#topics.values()) if (topic.state === "paused") topic.state = "new";
  }

  /** The names of those that are switched off for now. */
  get paused(): string[] {
    const all = [...this.#topics];
    return all.flatMap(([name, { state }]) => (state === "paused" ? [name] : []));
  }

  get isEmpty(): boolean {
    return this.#inUse === 0;
  }

  /** Drops the topics nobody listens to; gives the names that the server still sends. */
  takeLeft(): string[] {
    const left: string[] = [];
    for (const [name, { stays, state }] of this.#topics) {
      if (stays.size > 0) continue;
      this.#topics.delete(name);
      if (state !== "new" && state !== "refused") left.push(name);
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
    const resumed = cursor !== null && !reply.reset;
    for (const name of names) {
      const topic = this.#topics.get(name);
      if (topic) this.#settle(topic, reply.topics[name] ?? "not_found", resumed);
    }
    // A call for everything that was put back may have been made good by several others.
    const isWhole = [...this.#topics.values()].every(
      ({ state }) => !["new", "joining"].includes(state),
    );
    if (all || isWhole) this.#catchingUp = false;
  }

  /** The call itself was refused for good: so is each of its topics. */
  refuse({ names }: Joining, code: string): void {
    this.#catchingUp = false;
    for (const name of names) {
      const topic = this.#topics.get(name);
      if (topic) this.#settle(topic, code, false);
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
    for (const { listener } of [...topic.stays]) {
      safely(() => {
        const shown = listener.shows?.(signal) ?? -Infinity;
        if (shown < (signal.version ?? Infinity)) listener.signal(signal);
      });
    }
  }

  /** Everyone whom no signal reaches reads: all of them, or those of paused topics. */
  async poll(which: "all" | "paused"): Promise<void> {
    const reads = this.#each((topic, stay) =>
      which === "all" || topic.state === "paused" ? this.#refetch(topic, stay, "poll") : null,
    );
    await Promise.allSettled(reads);
  }

  /** The page is seen again: what was read long ago is read anew. */
  focus(): void {
    this.#each((topic, stay) => {
      if (this.now() - (stay.readAt ?? Infinity) > STALE_MS) this.#refetch(topic, stay, "focus");
    });
  }

  get #inUse(): number {
    return [...this.#topics.values()].filter(({ stays }) => stays.size > 0).length;
  }

  #each<T>(run: (topic: Topic, stay: Stay) => T): T[] {
    const topics = [...this.#topics.values()].filter(({ state }) => state !== "refused");
    return topics.flatMap((topic) => [...topic.stays].map((stay) => run(topic, stay)));
  }

  #forget(topic: Topic): void {
    topic.behind ||= topic.state === "paused" || topic.state === "refused";
    topic.state = "new";
  }

  #settle(topic: Topic, code: string, resumed: boolean): void {
    const isOn = code === "ok";
    topic.state = isOn ? "joined" : code === "paused" ? "paused" : "refused";
    const whole = resumed && !topic.behind;
    topic.behind = !isOn;
    for (const stay of [...topic.stays]) {
      if (isOn) safely(() => stay.listener.joined?.());
      if (topic.state === "refused") safely(() => stay.listener.refused?.(code));
      else if (stay.readAt === null) this.#refetch(topic, stay, "joined");
      else if (isOn && !whole) this.#refetch(topic, stay, "reset");
    }
  }

  #refetch(topic: Topic, stay: Stay, why: Why): unknown {
    if (!topic.stays.has(stay)) return undefined;
    // Reading without a connection fails more often than not: whoever never read is told again once joined.
    if (why !== "poll" || stay.readAt !== null) stay.readAt = this.now();
    return safely(() => stay.listener.refetch(why));
  }
}
