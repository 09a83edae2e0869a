/** Who is typing, told in both directions. A courtesy: nothing waits for it, and it fades by itself. */
import type { Realtime } from "../realtime/client";
import type { Clock } from "../realtime/clock";
import type { Typing } from "../wire";
import type { Chat, ChatEvent } from "./state";

const FADES_MS = 5_000;

export class TypingSigns {
  #fadeOurs: (() => void) | null = null;
  #fadeTheirs: (() => void) | null = null;
  #saidAt = 0;

  constructor(
    private readonly clock: Clock,
    private readonly realtime: Realtime,
    private readonly state: () => Chat,
    private readonly dispatch: (event: ChatEvent) => void,
  ) {}

  /** The visitor types: staff who wait for it see so. */
  typed(): void {
    const { conversation } = this.state();
    if (!conversation || !["waiting", "staff"].includes(conversation.state)) return;
    this.#fadeOurs?.();
    this.#fadeOurs = this.clock.after(FADES_MS, () => this.ended());
    if (this.clock.now() - this.#saidAt < FADES_MS / 2) return;
    this.#saidAt = this.clock.now();
    this.#say(true);
  }

  /** The visitor has sent it, or stopped. */
  ended(): void {
    if (!this.#fadeOurs) return;
    this.#fadeOurs();
    this.#fadeOurs = null;
    this.#saidAt = 0;
    this.#say(false);
  }

  /** Whoever types says so again and again; silence means that they stopped. */
  heard(typing: Typing): void {
    this.#fadeTheirs?.();
    this.dispatch({ type: "typing", typing });
    if (!typing.on) return;
    const off = (): void => this.dispatch({ type: "typing", typing: { ...typing, on: false } });
    this.#fadeTheirs = this.clock.after(FADES_MS, off);
  }

  forget(): void {
    this.#fadeOurs?.();
    this.#fadeTheirs?.();
  }

  #say(on: boolean): void {
    const conversation_id = this.state().conversation?.id;
    this.realtime.call("typing", { conversation_id, on }).catch(() => undefined);
  }
}
