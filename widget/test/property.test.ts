// @vitest-environment node
/**
 * Many random histories, each told by its seed: whatever the way does to frames and signals, what is shown is
 * right in the end, and never wrong in between.
 */
import { describe, expect, test } from "vitest";
import type { Answer } from "../src/realtime/answers";
import { withFrame } from "../src/realtime/answers";
import { Realtime, type TopicListener, type Why } from "../src/realtime/client";
import { followAnswers } from "../src/realtime/follow";
import type { Link, LinkEvents } from "../src/realtime/transport";
import type { AnswerFrame, Signal } from "../src/wire";
import { Chance } from "./chance";
import { FakeClock, settle } from "./clock";
import { FakePage } from "./page";
import { FakeServer } from "./transport";

const SEEDS = Array.from({ length: 150 }, (_, n) => n + 1);

/** Lets promises run, a few turns of them: enough for a reply that is there already. */
async function turns(): Promise<void> {
  for (let n = 0; n < 12; n++) await Promise.resolve();
}

describe("an answer's frames that are lost, doubled and reordered", () => {
  /** The frames of an answer, in order, with a further attempt now and then. */
  function answered(chance: Chance): AnswerFrame[] {
    const frames: AnswerFrame[] = [];
    for (let attempt = 1; attempt <= 1 + chance.below(2); attempt++) {
      frames.push({ event: "answer.start", frame: { conversation_id: "c", mid: "m", attempt } });
      for (let seq = 1; seq <= 2 + chance.below(30); seq++) {
        const text = `${attempt}.${seq} `;
        frames.push({ event: "answer.delta", frame: { mid: "m", attempt, seq, text } });
      }
    }
    return frames;
  }

  function textOf(attempt: number, seq: number): string {
    return Array.from({ length: seq }, (_, n) => `${attempt}.${n + 1} `).join("");
  }

  /** What the way makes of them. The last always comes, last: the next frame closes a gap. */
  function travelled(frames: AnswerFrame[], chance: Chance): AnswerFrame[] {
    const last = frames.at(-1) as AnswerFrame;
    const come = frames.slice(0, -1).flatMap((frame, at) => {
      const times = chance.hits(0.25) ? 0 : chance.hits(0.2) ? 2 : 1;
      return Array.from({ length: times }, () => ({ frame, at: at + chance.below(8) }));
    });
    return [...come.sort((a, b) => a.at - b.at).map(({ frame }) => frame), last];
  }

  test.each(SEEDS)("history %d: never a wrong word, and whole in the end", async (seed) => {
    const chance = new Chance(seed);
    const server = new FakeServer();
    const frames = answered(chance);
    const sent = travelled(frames, chance);
    let reached = 0; // how far the server has come when it is asked
    let isOver = false;
    server.answers["resume"] = async ({ mid, attempt, after }) => {
      if (chance.hits(0.2) && !isOver) throw new Error("lost");
      const ring = frames.slice(0, reached + 1 + chance.below(3));
      const deltas = ring.filter((each) => each.event === "answer.delta");
      const mine = deltas.filter(({ frame }) => frame.attempt === attempt);
      const until = mine.at(-1)?.frame.seq ?? 0;
      await turns();
      if (!chance.hits(0.3))
        return { frames: mine.filter(({ frame: { seq } }) => seq > +`${after}`) };
      const snap = { mid, attempt, seq: until, text: textOf(+`${attempt}`, until) };
      return { frames: [{ event: "answer.snap", frame: snap }] };
    };
    const realtime = new Realtime({
      connect: server.transport,
      clock: new FakeClock(),
      page: new FakePage(),
      auth: async () => ({ token: "t" }),
    });
    realtime.start();
    await settle();
    server.open();
    let answer: Answer | null = null;
    const shown: [number, string][] = [];
    followAnswers(realtime, (frame) => {
      answer = withFrame(answer, frame);
      if (answer) shown.push([answer.attempt, answer.text]);
      return answer;
    });

    for (const each of sent) {
      reached = Math.max(reached, frames.indexOf(each));
      isOver = each === sent.at(-1);
      server.send(each.event, each.frame);
      if (chance.hits(0.5)) await turns();
    }
    await settle();

    const { attempt, seq } = (sent.at(-1) as AnswerFrame & { event: "answer.delta" }).frame;
    expect(answer).toMatchObject({ attempt, seq, text: textOf(attempt, seq), early: [] });
    for (const [which, text] of shown) expect(textOf(which, 40).startsWith(text)).toBe(true);
    const attempts = shown.map(([which]) => which);
    expect(attempts).toEqual([...attempts].sort((a, b) => a - b));
  });
});

/** A database with its relay: every change is a signal, a cursor is how many there were. */
class Database {
  changes: Signal[] = [];
  values = new Map<string, number>();
  epoch = 1;

  constructor(private readonly chance: Chance) {}

  change(topic: string): Signal {
    const version = (this.values.get(topic) ?? 0) + 1;
    this.values.set(topic, version);
    const signal: Signal = {
      id: `${this.epoch}-${this.changes.length}`,
      topic,
      event: "thing.changed",
      ids: {},
      at: "",
      epoch: `${this.epoch}`,
      // From before the relay's read, which may hold a few signals more.
      cur: `${Math.max(0, this.changes.length - this.chance.below(3))}`,
      version,
    };
    this.changes.push(signal);
    return signal;
  }

  /** As the service answers `subscribe`: the missed ones whole, or a reset. */
  subscribed(topics: string[], cursor: { epoch: string; cur: string } | undefined): object {
    const all = cursor ? this.changes.slice(+cursor.cur) : [];
    const missed = all.filter(({ topic }) => topics.includes(topic));
    const reset = !!cursor && (cursor.epoch !== `${this.epoch}` || missed.length > 20);
    return {
      topics: Object.fromEntries(topics.map((topic) => [topic, "ok"])),
      epoch: `${this.epoch}`,
      cur: `${this.changes.length}`,
      missed: reset ? [] : missed,
      reset,
    };
  }
}

/** A server of the above whose connections break at any moment, also while something is on its way. */
class BrokenServer {
  #links = new Map<LinkEvents, { topics: Set<string>; waiting: Signal[] }>();

  constructor(
    private readonly database: Database,
    private readonly chance: Chance,
  ) {}

  connect = (_: string, events: LinkEvents): Link => {
    const link = { topics: new Set<string>(), waiting: [] as Signal[] };
    queueMicrotask(() => {
      if (this.chance.hits(0.2))
        return events.lost({ code: null, retry: "backoff", refused: false });
      this.#links.set(events, link);
      events.open();
    });
    return {
      call: async (event, payload) => {
        if (event !== "subscribe") return {};
        const { topics, cursor } = payload as { topics: string[]; cursor?: never };
        for (const topic of topics) link.topics.add(topic);
        const reply = this.database.subscribed(topics, cursor);
        for (let n = this.chance.below(30); n > 0; n--) await Promise.resolve();
        if (this.chance.hits(0.15)) throw new Error("the reply was lost");
        return reply;
      },
      close: () => void this.#links.delete(events),
    };
  };

  emit(signal: Signal): void {
    for (const { topics, waiting } of this.#links.values()) {
      if (topics.has(signal.topic)) waiting.push(signal);
    }
  }

  /** Some of what waits arrives, now and then twice. */
  deliver(all = false): void {
    for (const [events, { waiting }] of [...this.#links]) {
      const some = waiting.splice(0, all ? waiting.length : this.chance.below(waiting.length + 1));
      for (const signal of some) {
        for (let times = this.chance.hits(0.2) ? 2 : 1; times > 0; times--) {
          events.event("signal", signal);
        }
      }
    }
  }

  cut(): void {
    for (const events of [...this.#links.keys()]) {
      this.#links.delete(events);
      events.lost({ code: null, retry: "backoff", refused: false });
    }
  }
}

describe("signals over connections that break", () => {
  const TOPICS = Array.from({ length: 12 }, (_, n) => `t${n}`);

  /** A thing on screen, read when it is told to; half of them know which version they show. */
  class Screen implements TopicListener {
    value = -1;
    told: string[] = [];
    readonly shows?: () => number;

    constructor(
      private readonly topic: string,
      private readonly database: Database,
      knows: boolean,
    ) {
      if (knows) this.shows = () => this.value;
    }

    signal({ id }: Signal): void {
      this.told.push(id);
      this.refetch();
    }

    refetch(why?: Why): void {
      if (why === "poll") return; // or else reading would hide what signals missed
      this.value = this.database.values.get(this.topic) ?? 0;
    }
  }

  test.each(SEEDS)("history %d: what is shown is stored, nothing told twice", async (seed) => {
    const chance = new Chance(seed);
    const database = new Database(chance);
    const server = new BrokenServer(database, chance);
    const clock = new FakeClock();
    clock.random = chance.next;
    const page = new FakePage();
    const auth = async (): Promise<{ token: string }> => ({ token: "t" });
    const realtime = new Realtime({ connect: server.connect, clock, page, auth });
    const screens = new Map<string, { screen: Screen; leave: () => void }>();
    const toggle = (topic: string): void => {
      const open = screens.get(topic);
      open?.leave();
      screens.delete(topic);
      if (open) return;
      const screen = new Screen(topic, database, chance.hits(0.5));
      screens.set(topic, { screen, leave: realtime.join(topic, screen) });
    };
    for (const topic of TOPICS) toggle(topic);
    realtime.start();

    for (let step = 0; step < 150; step++) {
      if (chance.hits(0.4)) server.emit(database.change(chance.of(TOPICS)));
      if (chance.hits(0.5)) server.deliver();
      if (chance.hits(0.1)) server.cut();
      if (chance.hits(0.05)) toggle(chance.of(TOPICS));
      if (chance.hits(0.005)) database.epoch++;
      if (chance.hits(0.2)) await turns();
      if (chance.hits(0.25)) await clock.advance(chance.below(2_000));
    }
    for (let quiet = 0; quiet < 40 && realtime.status !== "connected"; quiet++) {
      await clock.advance(15_000);
    }
    await clock.advance(40_000);
    server.deliver(true);
    await settle();

    expect(realtime.status).toBe("connected");
    for (const [topic, { screen }] of screens) {
      expect([topic, screen.value]).toEqual([topic, database.values.get(topic) ?? 0]);
      expect(screen.told).toHaveLength(new Set(screen.told).size);
    }
  });
});
