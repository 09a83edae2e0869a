import type { Link, LinkEvents, Loss, Transport } from "../src/realtime/transport";
import type { Signal } from "../src/wire";

export type Call = { event: string; payload: Record<string, unknown> };

/** Plays the server's end of the socket: the test opens, refuses and cuts links, and answers calls. */
export class FakeServer {
  links: { token: string; events: LinkEvents; closed: boolean }[] = [];
  calls: Call[] = [];
  answers: Record<string, (payload: Record<string, unknown>) => unknown> = {
    subscribe: ({ topics }) => ({
      topics: Object.fromEntries((topics as string[]).map((topic) => [topic, "ok"])),
      epoch: "e1",
      cur: "c0",
      missed: [],
      reset: false,
    }),
    unsubscribe: () => ({}),
  };

  readonly transport: Transport = (token, events): Link => {
    const link = { token, events, closed: false };
    this.links.push(link);
    return {
      call: async (event, payload) => {
        this.calls.push({ event, payload: payload as Record<string, unknown> });
        const answer = this.answers[event];
        if (link.closed || !answer) throw new Error("no acknowledgement");
        return answer(payload as Record<string, unknown>);
      },
      close: () => {
        link.closed = true;
      },
    };
  };

  get #link(): { token: string; events: LinkEvents; closed: boolean } {
    const link = this.links.at(-1);
    if (!link) throw new Error("nobody has called");
    return link;
  }

  get token(): string {
    return this.#link.token;
  }

  open(): void {
    this.#link.events.open();
  }

  lose(loss: Partial<Loss> = {}): void {
    this.#link.events.lost({ code: null, retry: "backoff", refused: false, ...loss });
  }

  send(event: string, payload: unknown): void {
    this.#link.events.event(event, payload);
  }

  callsOf(event: string): Record<string, unknown>[] {
    return this.calls.filter((call) => call.event === event).map(({ payload }) => payload);
  }
}

export function signal(id: string, topic: string, more: Partial<Signal> = {}): Signal {
  return {
    id,
    topic,
    event: "message.changed",
    ids: {},
    at: "",
    epoch: "e1",
    cur: `after-${id}`,
    ...more,
  };
}
