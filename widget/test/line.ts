import { type Credentials, Realtime, type TopicListener } from "../src/realtime/client";
import type { Signal } from "../src/wire";
import { FakeClock, settle } from "./clock";
import { FakePage } from "./page";
import { FakeServer } from "./transport";

export type Heard = TopicListener & {
  signals: string[];
  refetches: string[];
  refusals: string[];
};

/** A listener that notes what it is told. */
export function listener(more: Partial<TopicListener> = {}): Heard {
  const heard = { signals: [] as string[], refetches: [] as string[], refusals: [] as string[] };
  return {
    ...heard,
    signal: ({ id }: Signal) => void heard.signals.push(id),
    refetch: (why) => void heard.refetches.push(why),
    refused: (code) => void heard.refusals.push(code),
    ...more,
  };
}

/** A client with everything around it in the test's hand. */
export class Line {
  readonly clock = new FakeClock();
  readonly server = new FakeServer();
  readonly page = new FakePage();
  /** Whether each token that was asked for had to be fresh. */
  readonly tokens: boolean[] = [];
  /** What the next tokens are refused with. */
  refusal: unknown = null;
  readonly realtime = new Realtime({
    connect: this.server.transport,
    clock: this.clock,
    page: this.page,
    auth: (fresh) => this.#auth(fresh),
  });

  async #auth(fresh: boolean): Promise<Credentials> {
    this.tokens.push(fresh);
    if (this.refusal) throw this.refusal;
    return { token: `token-${this.tokens.length}` };
  }

  async connected(): Promise<void> {
    this.realtime.start();
    await settle();
    await this.open();
  }

  async open(): Promise<void> {
    this.server.open();
    await settle();
  }

  /** What the server answers to `subscribe` from now on. */
  subscribed(topics: Record<string, string>, more: object = {}): void {
    this.server.answers["subscribe"] = (asked) => ({
      topics: Object.fromEntries(
        (asked["topics"] as string[]).map((topic) => [topic, topics[topic] ?? "ok"]),
      ),
      epoch: "e1",
      cur: "c0",
      missed: [],
      reset: false,
      ...more,
    });
  }

  notice(code: string, retry: "never" | "backoff" | "refetch", retry_after_s?: number): void {
    const more = retry_after_s === undefined ? {} : { retry_after_s };
    this.server.send("system", { code, retry, message: "", ...more });
  }
}
