/** What a browser keeps of a visitor: one record a site key, written after the first click, and a mark in the tab. */
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

/** Whether the panel is open: for the pages that the same tab shows next. */
export class OpenMark {
  constructor(
    private readonly name: string,
    private readonly store: Store | null,
  ) {}

  get(): boolean {
    try {
      return !!this.store?.getItem(this.name);
    } catch {
      return false;
    }
  }

  set(open: boolean): void {
    try {
      if (open) this.store?.setItem(this.name, "open");
      else this.store?.removeItem(this.name);
    } catch {
      // Then the next page begins with the panel closed.
    }
  }
}

/** One of the page's storages, or null where even naming it raises. */
export function pageStore(name: "localStorage" | "sessionStorage"): Store | null {
  try {
    return window[name];
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
