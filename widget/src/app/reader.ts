/** Keeps the transcript read: when told to, and again and again while there is no socket to tell it. */
import type { Status } from "../realtime/client";
import type { Clock } from "../realtime/clock";
import { type Api, ignoreRefusal, Refused } from "./api";
import { Poll } from "./poll";
import { type Chat, type ChatEvent, PAGE_ITEMS } from "./state";

export type ReaderOptions = {
  api: Api;
  clock: Clock;
  isHidden: () => boolean;
  state: () => Chat;
  dispatch: (event: ChatEvent) => void;
  /** There is no conversation, or it is no longer there: look for one. */
  look: () => Promise<void>;
};

const POLL_AFTER_MS = 4_000; // without a socket
const STALE_MS = 30_000; // what was read longer ago is read again when the page is seen

export class Reader {
  readonly #poll: Poll;
  #reading: Promise<void> | null = null;
  #again = false;
  #ended = false;
  #readAt = 0;
  #cancelPoll: (() => void) | null = null;

  constructor(private readonly options: ReaderOptions) {
    this.#poll = new Poll(options.clock, options.isHidden, () => this.read());
  }

  /** Reads what is new; one at a time, and once more when asked meanwhile. */
  read(): Promise<void> {
    this.#again = true;
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  /** The visitor waits for something: do not wait for a socket that was lost. */
  hurry(): void {
    if (!["disconnected", "suspended", "failed"].includes(this.options.state().connection)) return;
    this.stop();
    this.#poll.start();
  }

  /** The page is seen again: what it shows may be old. */
  wake(): void {
    this.#poll.hurry();
    if (this.options.clock.now() - this.#readAt > STALE_MS) void this.read();
  }

  connection(status: Status): void {
    if (status === "connected") this.stop();
    else this.#pollSoon();
  }

  end(): void {
    this.#ended = true;
    this.stop();
  }

  stop(): void {
    this.#cancelPoll?.();
    this.#cancelPoll = null;
    this.#poll.stop();
  }

  async #readAll(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      try {
        await this.#readTranscript();
        this.#readAt = this.options.clock.now();
      } catch (error) {
        ignoreRefusal(error);
        this.#pollSoon();
      }
    }
  }

  async #readTranscript(): Promise<void> {
    const { api, state, dispatch, look } = this.options;
    for (let more = true; more;) {
      const { conversation, cursor, answer } = state();
      if (!conversation) return look();
      const live = answer?.mid ?? null;
      try {
        const transcript = await api.transcript(conversation.id, cursor);
        dispatch({ type: "transcript", conversation_id: conversation.id, transcript, live });
        more = transcript.items.length >= PAGE_ITEMS;
      } catch (error) {
        if (!(error instanceof Refused) || error.status !== 404) throw error;
        dispatch({ type: "conversation", conversation: null });
      }
    }
  }

  /** Polls when a socket does not come (back) in time; reads once more when one reading failed. */
  #pollSoon(): void {
    if (this.#ended) return;
    this.#cancelPoll ??= this.options.clock.after(POLL_AFTER_MS, () => {
      this.#cancelPoll = null;
      if (this.options.state().connection === "connected") void this.read();
      else this.#poll.start();
    });
  }
}
