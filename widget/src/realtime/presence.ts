/** Who is there on a topic, kept equal to what the server says, and our own sign announced again after each return. */
import type { Member, PresenceEvent, PresenceReply, PresenceState } from "../wire";
import type { CallError } from "./call";
import type { Clock } from "./clock";
import { safely } from "./safely";
import type { TopicListener } from "./topics";

/** One listener's or speaker's hold on a topic; `end` it when it is no longer shown. */
export type Presence = {
  /** Who is there, ourselves too when we announced it, by key; the same array until it changes. */
  members(): readonly Member[];
  /** How many are there: the server lists no more than 200. */
  count(): number;
  onMembers(listener: (members: readonly Member[]) => void): () => void;
  /** Says that we are there, in this state: flat, of booleans, whole numbers and short texts, at most 1 KB. */
  announce(state: PresenceState): void;
  /** Takes it back, and goes on listening. */
  withdraw(): void;
  end(): void;
};

type Line = {
  join(topic: string, listener: TopicListener): () => void;
  /** Whether anybody on this page listens to the topic, and whether the server was asked for it already. */
  hears(topic: string): boolean;
  isAsked(topic: string): boolean;
  call<Reply>(event: string, payload: unknown): Promise<Reply>;
  clock: Clock;
};

const ANNOUNCE_EVERY_MS = 2_000; // the server takes five in half a minute
const AGAIN_MS = 5_000;

export class Rooms {
  #rooms = new Map<string, Room>();

  constructor(private readonly line: Line) {}

  open(topic: string): Presence {
    const known = this.#rooms.get(topic);
    if (known) return known.hold();
    const room = new Room(topic, this.line, () => this.#rooms.delete(topic));
    this.#rooms.set(topic, room);
    return room.hold();
  }

  hear(event: PresenceEvent): void {
    this.#rooms.get(event.topic)?.hear(event);
  }

  /** A new connection: what was known of each topic no longer holds. */
  doubt(): void {
    for (const room of this.#rooms.values()) room.doubt();
  }
}

class Room {
  #members: readonly Member[] = [];
  #count = 0;
  #listeners = new Set<(members: readonly Member[]) => void>();
  /** The holds there are, with what each announces; the last to announce is heard. */
  #holds = new Map<object, PresenceState | null>();
  /** What the server knows of us, as JSON: null before it was told, "null" once it was taken back. */
  #told: string | null = null;
  #isIn = false;
  #joins = 0;
  /** Who comes to a topic that the page is in, or about to be, may not have been told who is there. */
  #mustAsk: boolean;
  /** What is shown was heard over an earlier connection. */
  #isOld = false;
  #busy = false;
  readonly #leave: () => void;

  constructor(
    private readonly topic: string,
    private readonly line: Line,
    private readonly over: () => void,
  ) {
    this.#mustAsk = line.isAsked(topic);
    this.#leave = line.join(topic, {
      signal: () => undefined,
      refetch: () => undefined,
      joined: () => this.#joined(),
      refused: () => this.#empty(),
    });
  }

  hold(): Presence {
    const hold = {};
    const mine = new Set<() => void>();
    this.#holds.set(hold, null);
    const say = (state: PresenceState | null): void => {
      if (!this.#holds.delete(hold)) return;
      this.#holds.set(hold, state);
      void this.#tell();
    };
    return {
      members: () => this.#members,
      count: () => this.#count,
      onMembers: (listener) => {
        const heard = (members: readonly Member[]): void => listener(members);
        this.#listeners.add(heard);
        const stop = (): void => void this.#listeners.delete(heard);
        mine.add(stop);
        return stop;
      },
      announce: say,
      withdraw: () => say(null),
      end: () => {
        mine.forEach((stop) => stop());
        if (!this.#holds.delete(hold)) return;
        // Whoever ends one hold to take another in the same turn does not leave.
        queueMicrotask(() => this.#close());
      },
    };
  }

  hear({ joined, left, state, count }: PresenceEvent): void {
    const known = state ?? (this.#isOld ? [] : this.#members);
    const members = new Map(known.map((each) => [each.key, each]));
    if (!state) {
      for (const key of left) members.delete(key);
      for (const member of joined) members.set(member.key, member);
    }
    this.#show([...members.values()], count);
  }

  doubt(): void {
    this.#isIn = this.#mustAsk = false;
    this.#isOld = true;
  }

  #joined(): void {
    this.#isIn = true;
    this.#joins++;
    // The server tells who is there before it says that we joined, unless nobody is.
    if (this.#isOld) this.#show([]);
    this.#told = null;
    void this.#tell();
  }

  #empty(): void {
    this.#isIn = false;
    this.#show([], 0);
  }

  #close(): void {
    if (this.#holds.size > 0) {
      void this.#tell();
      return;
    }
    this.over();
    this.#leave();
    // Whoever leaves the topic is no longer there; whoever stays for something else says so.
    const isThere = this.#isIn && (this.#busy || (this.#told ?? "null") !== "null");
    this.#isIn = false;
    if (!isThere || !this.line.hears(this.topic)) return;
    this.line.call("presence", { topic: this.topic, state: null }).catch(() => undefined);
  }

  /** What we say of ourselves now, as JSON. */
  get #wanted(): string {
    const states = [...this.#holds.values()].filter((state) => state !== null);
    return JSON.stringify(states.at(-1) ?? null);
  }

  /** Tells the server when it knows something else of us: one call at a time, and not too often. */
  async #tell(): Promise<void> {
    const wanted = this.#wanted;
    const isNews = this.#mustAsk || wanted !== (this.#told ?? "null");
    if (!this.#isIn || this.#busy || !isNews) return;
    this.#busy = true;
    const joins = this.#joins;
    let wait_ms: number | null = ANNOUNCE_EVERY_MS;
    try {
      const payload = { topic: this.topic, state: JSON.parse(wanted) as PresenceState | null };
      const { members, count } = await this.line.call<PresenceReply>("presence", payload);
      this.#know(wanted);
      if (this.#isIn) this.#show(members, count);
    } catch (error) {
      wait_ms = this.#again(error, wanted);
    }
    // A call that was lost with its connection is made again over the next, if that is there by now.
    if (joins !== this.#joins) wait_ms = 0;
    if (wait_ms === null) this.#busy = false;
    else this.line.clock.after(wait_ms, () => this.#tellAgain());
  }

  /** The server knows what we `said`, and has told who is there. */
  #know(said: string): void {
    this.#told = said;
    this.#mustAsk = false;
  }

  #tellAgain(): void {
    this.#busy = false;
    void this.#tell();
  }

  /** When to try once more; null when the next connection will. */
  #again(error: unknown, wanted: string): number | null {
    const { code, retry, retry_after_s } = error as Partial<CallError>;
    if (code === "not_connected") return null;
    if (retry === "backoff") return (retry_after_s ?? 0) * 1_000 || AGAIN_MS;
    this.#know(wanted); // refused for good: the same again would be refused again
    return null;
  }

  #show(members: readonly Member[], count = members.length): void {
    this.#isOld = false;
    const sorted = [...members].sort((a, b) => (a.key < b.key ? -1 : 1));
    if (count === this.#count && JSON.stringify(sorted) === JSON.stringify(this.#members)) return;
    this.#members = sorted;
    this.#count = count;
    for (const listener of [...this.#listeners]) safely(() => listener(sorted));
  }
}
