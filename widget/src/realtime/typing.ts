/** Who types, told and heard. A courtesy: nothing waits for it, and it ends by itself. */
import type { Typing } from "../wire";
import type { Clock } from "./clock";

const FADES_MS = 5_000;

/** Tells others that we type: at most every 2.5 s while keys are pressed, and when they rested for 5 s. */
export class TypingTeller {
  #toldAt: number | null = null;
  #cancel: (() => void) | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly tell: (on: boolean) => void,
  ) {}

  key(): void {
    this.#cancel?.();
    this.#cancel = this.clock.after(FADES_MS, () => this.stop());
    const now = this.clock.now();
    if (this.#toldAt !== null && now - this.#toldAt < FADES_MS / 2) return;
    this.#toldAt = now;
    this.tell(true);
  }

  /** It was sent, or given up. */
  stop(): void {
    const told = this.#toldAt !== null;
    this.end();
    if (told) this.tell(false);
  }

  /** Says nothing more. */
  end(): void {
    this.#cancel?.();
    this.#cancel = null;
    this.#toldAt = null;
  }
}

/** Who types in one conversation: each until they stop, or for 5 s after it was said last. */
export class Typists {
  #typing = new Map<string, { typing: Typing; fade: () => void }>();

  constructor(
    private readonly clock: Clock,
    private readonly changed: (typing: readonly Typing[]) => void,
  ) {}

  hear(typing: Typing): void {
    const who = `${typing.kind}:${typing.name}`;
    this.#typing.get(who)?.fade();
    this.#typing.delete(who);
    if (typing.on) {
      const fade = this.clock.after(FADES_MS, () => this.hear({ ...typing, on: false }));
      this.#typing.set(who, { typing, fade });
    }
    this.changed([...this.#typing.values()].map((each) => each.typing));
  }

  /** Forgets everyone, without a word. */
  end(): void {
    for (const { fade } of this.#typing.values()) fade();
    this.#typing.clear();
  }
}
