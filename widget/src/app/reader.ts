/** Keeps the transcript read: when told to, and once more when that failed. */
import type { Clock } from "../realtime/clock";
import { type Api, ignoreRefusal, Refused } from "./api";
import { type Chat, type ChatEvent, PAGE_ITEMS } from "./state";

export type ReaderOptions = {
  api: Api;
  clock: Clock;
  state: () => Chat;
  dispatch: (event: ChatEvent) => void;
  /** There is no conversation, or it is no longer there: look for one. */
  look: () => Promise<void>;
  /** A reading was asked for that another one serves too. */
  spared: () => void;
};

const AGAIN_MS = 4_000; // after a reading that failed
const STALE_MS = 30_000; // what was read longer ago is read again when the page is seen

export class Reader {
  #reading: Promise<void> | null = null;
  #again = false;
  #ended = false;
  #readAt = 0;
  #cancelAgain: (() => void) | null = null;

  constructor(private readonly options: ReaderOptions) {}

  /** Reads what is new; one at a time, and once more when asked meanwhile. */
  read(): Promise<void> {
    if (this.#again && this.#reading) this.options.spared();
    this.#again = true;
    this.#reading ??= this.#readAll().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  /** The page is seen again: what it shows may be old. */
  wake(): void {
    if (this.options.clock.now() - this.#readAt > STALE_MS) void this.read();
  }

  end(): void {
    this.#ended = true;
    this.stop();
  }

  stop(): void {
    this.#cancelAgain?.();
    this.#cancelAgain = null;
  }

  async #readAll(): Promise<void> {
    while (this.#again) {
      this.#again = false;
      try {
        await this.#readTranscript();
        this.#readAt = this.options.clock.now();
      } catch (error) {
        ignoreRefusal(error);
        this.options.dispatch({ type: "unreachable" });
        this.#readSoon();
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

  #readSoon(): void {
    if (this.#ended) return;
    this.#cancelAgain ??= this.options.clock.after(AGAIN_MS, () => {
      this.#cancelAgain = null;
      void this.read();
    });
  }
}
