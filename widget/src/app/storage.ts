/** What a browser keeps of a visitor: one record a site key, written after the first click. */
import type { Site } from "../wire";

export type Kept = {
  token: string;
  expires_at: string;
  visitor_id: string;
  site: Site;
  /** When the session was asked for, in ms. */
  at: number;
  /** How far this visitor has read. */
  read: { conversation_id: string; seq: number } | null;
};

export type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

export class Keeper {
  #memory: Kept | null = null;
  #closed = false;
  readonly name: string;

  /** `store` is null where the browser forbids it: then the record lives as long as the page. */
  constructor(
    key: string,
    private readonly store: Store | null,
  ) {
    this.name = `chatbot:${key}`;
  }

  /** The record as it is now, also when another tab wrote it. */
  get(): Kept | null {
    const text = this.#attempt((store) => store.getItem(this.name));
    if (text === undefined) return this.#memory;
    this.#memory = text === null ? null : parse(text);
    return this.#memory;
  }

  set(kept: Kept): void {
    if (this.#closed) return;
    this.#memory = kept;
    this.#attempt((store) => store.setItem(this.name, JSON.stringify(kept)));
  }

  /** Forgets everything, for good: an answer that is still on its way must not bring it back. */
  close(): void {
    this.#closed = true;
    this.#memory = null;
    this.#attempt((store) => store.removeItem(this.name));
  }

  /** Undefined when there is no storage, or it is full or forbidden. */
  #attempt<T>(use: (store: Store) => T): T | undefined {
    try {
      return this.store ? use(this.store) : undefined;
    } catch {
      return undefined;
    }
  }
}

/** The page's storage, or null where even naming it raises. */
export function pageStore(): Store | null {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

function parse(text: string): Kept | null {
  try {
    const kept = JSON.parse(text) as Partial<Kept> | null;
    return kept?.token && kept.visitor_id && kept.site ? (kept as Kept) : null;
  } catch {
    return null;
  }
}
