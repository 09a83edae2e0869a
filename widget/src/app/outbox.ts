/** Messages on their way out: in order, each sent until it is stored, refused or too old. */
import { isCallError } from "../realtime/call";
import type { Message } from "../wire";
import type { Api } from "./api";
import { newId } from "./ids";
import { type Patience, problemIn } from "./patience";
import type { Chat, ChatEvent, Outgoing } from "./state";

/** Asks over the socket; rejects with CallError. */
export type Call = <Reply>(event: string, payload: unknown) => Promise<Reply>;

export type OutboxOptions = {
  patience: Patience;
  api: Api;
  call: Call;
  page: () => string;
  state: () => Chat;
  dispatch: (event: ChatEvent) => void;
  stored: (message: Message) => void;
};

export const GIVE_UP_MS = 15_000;

export class Outbox {
  #busy = false;

  constructor(private readonly options: OutboxOptions) {}

  add(text: string): void {
    this.#queue(newId(), text);
  }

  retry(client_id: string): void {
    const failed = this.options.state().outbox.find((each) => each.client_id === client_id);
    if (failed) this.#queue(client_id, failed.text);
  }

  #queue(client_id: string, text: string): void {
    this.options.dispatch({ type: "queued", client_id, text });
    void this.#work();
  }

  async #work(): Promise<void> {
    const { patience } = this.options;
    if (this.#busy) return;
    this.#busy = true;
    for (let next = this.#next(); next && !patience.over; next = this.#next())
      await this.#deliver(next);
    this.#busy = false;
  }

  #next(): Outgoing | undefined {
    return this.options.state().outbox.find(({ status }) => status === "sending");
  }

  async #deliver({ client_id, text }: Outgoing): Promise<void> {
    const { patience, dispatch, stored } = this.options;
    const send = (): Promise<Message> => this.#send(client_id, text);
    const waiting = (seconds: number): void => dispatch({ type: "waiting", client_id, seconds });
    try {
      stored(await patience.try(send, GIVE_UP_MS, waiting));
    } catch (error) {
      dispatch({ type: "refused", client_id, problem: problemIn(error).message || null });
    }
  }

  /** By socket; when there is none or it does not answer, by HTTP. The `client_id` makes twice once. */
  async #send(client_id: string, text: string): Promise<Message> {
    const { call, page, api, state } = this.options;
    const conversation_id = state().conversation?.id;
    const where = conversation_id ? { conversation_id } : {};
    const payload = { ...where, client_id, text, page: page() };
    return bySocketOr(call, "send", payload, async () => {
      const id = conversation_id ?? (await this.#findOrCreate(client_id));
      return api.send(id, client_id, text);
    });
  }

  /** The socket may have begun a conversation before it broke: look before making another. */
  async #findOrCreate(client_id: string): Promise<string> {
    const { api } = this.options;
    const open = (await api.conversations()).find(({ state }) => state !== "closed");
    return (open ?? (await api.createConversation(client_id))).id;
  }
}

/** Asks over the socket; when there is none or it does not answer, does `other` instead. */
export async function bySocketOr<Reply>(
  call: Call,
  event: string,
  payload: unknown,
  other: () => Promise<Reply>,
): Promise<Reply> {
  try {
    return await call<Reply>(event, payload);
  } catch (error) {
    const lost = isCallError(error) && ["timeout", "not_connected"].includes(error.code);
    if (!lost) throw error;
    return other();
  }
}
