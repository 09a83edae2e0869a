/**
 * Follows what grows: to its end, but not past the beginning of the newest entry, for a long answer is read from
 * its top. Whoever scrolls away is left alone.
 */

const NEAR_PX = 100;
const END_PX = 8;
const ABOVE_PX = 12; // between the top of the log and what is held there
const QUESTION_PART = 4; // a question longer than this part of the log leaves no room for its answer
const HIDDEN = -1;

/** `end`: the reader went to the end by hand, and what is said there may grow past its beginning. */
type Following = "start" | "end" | "off";

export class Follow {
  #following: Following = "start";
  #detached = false; // the reader turned away on purpose: being near is not enough to follow again
  #stuck = true;
  #put = 0; // where we have scrolled to, or HIDDEN; every other place is the choice of the reader
  #newest: Element | undefined;
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

  /** The visitor has said something: goes there, and follows what is said to it. */
  said(): void {
    this.#go("start");
  }

  /** Goes to the end and stays there, until something new is said. */
  toEnd(): void {
    this.#go("end");
  }

  /** Tells that the content grew. */
  grown(): void {
    const { box } = this;
    this.#scrolled();
    if (this.#put === HIDDEN) return;
    const newest = [...box.children].findLast((each) => each.matches("article, .note"));
    if (newest !== this.#newest && this.#following === "end") this.#following = "start";
    this.#newest = newest;
    if (this.#following !== "off") {
      const held = this.#following === "start" && newest ? this.#topOf(newest) : Infinity;
      const aim = Math.min(box.scrollHeight - box.clientHeight, held);
      if (aim > box.scrollTop) box.scrollTop = aim;
      this.#put = box.scrollTop;
    }
    this.#tell(this.#following !== "off" && this.#away < NEAR_PX);
  }

  end(): void {
    this.#gone.abort();
    this.#resized.disconnect();
  }

  #go(following: Following): void {
    this.#scrolled(); // what the reader did before counts no more
    this.#following = following;
    this.grown();
  }

  get #away(): number {
    const { scrollHeight, scrollTop, clientHeight } = this.box;
    return scrollHeight - scrollTop - clientHeight;
  }

  /** Where to scroll to for an entry to begin at the top of the log, below its question if that is short. */
  #topOf(entry: Element): number {
    const { box } = this;
    if (entry.matches(".visitor")) return Infinity;
    const before = entry.previousElementSibling;
    const asked =
      before !== null &&
      before.matches(".visitor") &&
      heightOf(before) < heightOf(box) / QUESTION_PART;
    const { top } = (asked ? before : entry).getBoundingClientRect();
    return top - box.getBoundingClientRect().top + box.scrollTop - ABOVE_PX;
  }

  #tell(stuck: boolean): void {
    if (stuck === this.#stuck) return;
    this.#stuck = stuck;
    this.changed(stuck);
  }

  #leave(): void {
    if (this.box.scrollHeight > this.box.clientHeight + END_PX) this.#detached = true;
  }

  #scrolled(): void {
    const { clientHeight, scrollTop } = this.box;
    const before = this.#put;
    this.#put = clientHeight > 0 ? scrollTop : HIDDEN;
    if ([before, this.#put].includes(HIDDEN) || before === scrollTop) return;
    const away = this.#away;
    if (away < END_PX) this.#detached = false;
    const near = away < (this.#detached ? END_PX : NEAR_PX);
    if (!near) this.#following = "off";
    else if (this.#following === "off") this.#following = "end";
    this.#tell(near);
  }
}

function heightOf(element: Element): number {
  return element.getBoundingClientRect().height;
}
