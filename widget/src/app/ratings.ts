/** What the visitor thinks of answers: shown at once, sent until it is stored, the last word last. */
import type { Feedback, Message } from "../wire";
import type { Api } from "./api";
import { type Patience, problemIn } from "./patience";
import type { ChatEvent } from "./state";

export type Rated = Pick<Message, "id" | "feedback">;

/** What is to be stored, and what was before it. */
type Wish = { feedback: Feedback | null; before: Feedback | null };

const GIVE_UP_MS = 30_000;

export class Ratings {
  #wanted = new Map<string, Wish>();
  #queue = Promise.resolve();

  constructor(
    private readonly api: Api,
    private readonly patience: Patience,
    private readonly dispatch: (event: ChatEvent) => void,
  ) {}

  /** Null takes back what was thought of `message`. */
  rate({ id, feedback: shown }: Rated, feedback: Feedback | null): void {
    const pending = this.#wanted.get(id);
    const wish = { feedback, before: pending ? pending.before : shown };
    this.#wanted.set(id, wish);
    this.dispatch({ type: "rated", mid: id, feedback, failed: false });
    this.#queue = this.#queue.then(() => this.#deliver(id, wish));
  }

  async #deliver(mid: string, wish: Wish): Promise<void> {
    const isLast = (): boolean => this.#wanted.get(mid) === wish;
    if (!isLast()) return;
    let event: ChatEvent;
    try {
      const send = (): Promise<Message> => this.api.rate(mid, wish.feedback);
      event = { type: "changed", message: await this.patience.try(send, GIVE_UP_MS) };
    } catch (error) {
      problemIn(error);
      event = { type: "rated", mid, feedback: wish.before, failed: true };
    }
    if (!isLast()) return; // said anew meanwhile: that is sent next
    this.#wanted.delete(mid);
    this.dispatch(event);
  }
}
