/** Stays at the end of what grows, until the reader scrolls away. */

const NEAR_PX = 100;
const END_PX = 8;

export class StickyEnd {
  #follow = true;
  #detached = false; // the reader turned away on purpose: being near is not enough to follow again
  readonly #gone = new AbortController();
  readonly #resized = new ResizeObserver(() => this.grown());

  /** `changed` is told whether the end is in view, or close to it. */
  constructor(
    private readonly box: HTMLElement,
    private readonly changed: (stuck: boolean) => void,
  ) {
    const on = <Name extends keyof HTMLElementEventMap>(
      name: Name,
      handler: (event: HTMLElementEventMap[Name]) => void,
    ): void => box.addEventListener(name, handler, { passive: true, signal: this.#gone.signal });
    this.#resized.observe(box);
    on("scroll", () => this.#scrolled());
    on("wheel", ({ deltaY }) => deltaY < 0 && this.#leave());
    on("keydown", ({ key }) => ["ArrowUp", "PageUp", "Home"].includes(key) && this.#leave());
  }

  /** Goes to the end and stays there. */
  stick(): void {
    this.#set(true);
    this.grown();
  }

  /** Tells that the content grew: follows if the end was in view. */
  grown(): void {
    if (this.#follow) this.box.scrollTop = this.box.scrollHeight;
  }

  end(): void {
    this.#gone.abort();
    this.#resized.disconnect();
  }

  #set(stuck: boolean): void {
    if (this.#follow !== stuck) this.changed(stuck);
    this.#follow = stuck;
  }

  #leave(): void {
    if (this.box.scrollHeight > this.box.clientHeight + END_PX) this.#detached = true;
  }

  #scrolled(): void {
    const { scrollHeight, scrollTop, clientHeight } = this.box;
    const away = scrollHeight - scrollTop - clientHeight;
    if (away < END_PX) this.#detached = false;
    this.#set(away < (this.#detached ? END_PX : NEAR_PX));
  }
}
