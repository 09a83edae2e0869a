import { vi } from "vitest";
import type { Page, PageEvent } from "../src/realtime/page";

/** A page that is seen or hidden, and online or not, when told to. */
export class FakePage implements Page {
  isHidden = false;
  #listeners = new Set<(event: PageEvent) => void>();

  hidden = (): boolean => this.isHidden;

  watch = (told: (event: PageEvent) => void): (() => void) => {
    this.#listeners.add(told);
    return () => this.#listeners.delete(told);
  };

  say(event: PageEvent): void {
    for (const told of [...this.#listeners]) told(event);
  }

  get isWatched(): boolean {
    return this.#listeners.size > 0;
  }
}

/** What jsdom lacks of a browser. */

class FakeSheet {
  text = "";
  replaceSync(text: string): void {
    this.text = text;
  }
}

export function setUpPage({ small = false, sheets = true, keep = false } = {}): void {
  Object.assign(globalThis, {
    CSSStyleSheet: sheets ? FakeSheet : undefined,
    ResizeObserver: class {
      observe(): void {}
      disconnect(): void {}
    },
  });
  window.matchMedia = (query: string) =>
    ({
      matches: small && query.includes("max-width"),
      addEventListener: () => undefined,
      removeEventListener: () => undefined,
    }) as unknown as MediaQueryList;
  if (!("adoptedStyleSheets" in ShadowRoot.prototype)) {
    Object.defineProperty(ShadowRoot.prototype, "adoptedStyleSheets", {
      value: [],
      writable: true,
    });
  }
  Element.prototype.scrollIntoView = () => undefined;
  for (const store of keep ? [] : [localStorage, sessionStorage]) store.clear();
  document.body.replaceChildren();
}

/** Lets timers of no wait, frames and promises run. */
export function breathe(ms = 5): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

/** Waits, not longer than it takes, until `check` no longer throws. */
export function soon(check: () => void): Promise<void> {
  return vi.waitFor(check, { timeout: 15_000, interval: 5 });
}
