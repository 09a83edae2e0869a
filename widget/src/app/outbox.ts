/** Messages on their way out: in order, each sent until it is stored, refused or too old. */
import { CallError, type Realtime } from "../realtime/client";
import type { Clock } from "../realtime/clock";
import type { ApiError, Message } from "../wire";
import { type Api, Refused } from "./api";
import { newId } from "./ids";
import type { Chat, ChatEvent, Outgoing } from "./state";

export type OutboxOptions = {
  clock: Clock;
  api: Api;
  realtime: Realtime;
  page: () => string;
  state: () => Chat;
  dispatch: (event: ChatEvent) => void;
  stored: (message: Message) => void;
};

const GIVE_UP_MS = 15_000;
const AGAIN_MS = 1_500;

export class Outbox {
  #busy = false;
  #ended = false;

  constructor(private readonly options: OutboxOptions) {}

  add(text: string): void {
    this.#queue(newId(), text);
  }

  retry(client_id: string): void {
    const failed = this.options.state().outbox.find((each) => each.client_id === client_id);
    if (failed) this.#queue(client_id, failed.text);
  }

  end(): void {
    this.#ended = true;
  }

  #queue(client_id: string, text: string): void {
    this.options.dispatch({ type: "queued", client_id, text, at: this.options.clock.now() });
    void this.#work();
  }

  async #work(): Promise<void> {
    if (this.#busy) return;
    this.#busy = true;
    for (let next = this.#next(); next && !this.#ended; next = this.#next())
      await this.#deliver(next);
    this.#busy = false;
  }

  #next(): Outgoing | undefined {
    return this.options.state().outbox.find(({ status }) => status === "sending");
  }

  async #deliver({ client_id, text, at }: Outgoing): Promise<void> {
    const { clock, dispatch, stored } = this.options;
    try {
      stored(await this.#send(client_id, text));
    } catch (error) {
      const { retry, message } = problemIn(error);
      if (retry === "backoff" && clock.now() - at < GIVE_UP_MS) {
        await new Promise<void>((done) => void clock.after(AGAIN_MS, done));
      } else {
        dispatch({ type: "refused", client_id, problem: message || null });
      }
    }
  }

  /** By socket; when there is none or it does not answer, by HTTP. The `client_id` makes twice once. */
  async #send(client_id: string, text: string): Promise<Message> {
    const { realtime, page, api } = this.options;
    const conversation_id = this.#conversationId();
    try {
      const where = conversation_id ? { conversation_id } : {};
      return await realtime.call<Message>("send", { ...where, client_id, text, page: page() });
    } catch (error) {
      if (!isLinkFailure(error)) throw error;
    }
    const id = conversation_id ?? (await this.#findOrCreate(client_id));
    return api.send(id, client_id, text);
  }

  #conversationId(): string | null {
    return this.options.state().conversation?.id ?? null;
  }

  /** The socket may have begun a conversation before it broke: look before making another. */
  async #findOrCreate(client_id: string): Promise<string> {
    const { api } = this.options;
    const open = (await api.conversations()).find(({ state }) => state !== "closed");
    return (open ?? (await api.createConversation(client_id))).id;
  }
}

function isLinkFailure(error: unknown): boolean {
  return error instanceof CallError && ["timeout", "not_connected"].includes(error.code);
}

function problemIn(error: unknown): Pick<ApiError, "retry" | "message"> {
  if (error instanceof CallError) return error;
  if (error instanceof Refused) return error.error;
  throw error;
}
