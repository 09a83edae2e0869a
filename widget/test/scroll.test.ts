import { beforeEach, describe, expect, test } from "vitest";
import { Follow } from "../src/app/view/scroll";
import { setUpPage } from "./page";

const LOG_PX = 400;

/** A log in which every entry is as high as it says and stands below the one before. */
class FakeLog {
  readonly box = document.createElement("div");
  readonly told: boolean[] = [];
  readonly follow: Follow;
  isHidden = false;
  #top = 0;

  constructor() {
    const { box } = this;
    document.body.append(box);
    Object.defineProperties(box, {
      clientHeight: { get: () => (this.isHidden ? 0 : LOG_PX) },
      scrollHeight: { get: () => this.#height },
      scrollTop: {
        get: () => (this.isHidden ? 0 : this.#top),
        set: (top: number) => (this.#top = Math.max(0, Math.min(top, this.#height - LOG_PX))),
      },
    });
    box.getBoundingClientRect = () => new DOMRect(0, 0, 300, LOG_PX);
    this.follow = new Follow(box, (stuck) => this.told.push(stuck));
  }

  /** Appends an entry by `kind`, `px` high. */
  add(kind: string, px: number): Entry {
    const entry = new Entry(kind, px, (element) => this.#above(element) - this.#top);
    this.box.append(entry.element);
    this.follow.grown();
    return entry;
  }

  grow(entry: Entry, px: number): void {
    entry.px = px;
    this.follow.grown();
  }

  /** The reader moves there. */
  scroll(to: number): void {
    this.box.scrollTop = to;
    this.box.dispatchEvent(new Event("scroll"));
  }

  get top(): number {
    return this.#top;
  }

  get #height(): number {
    return heights(...this.box.children);
  }

  #above(element: Element): number {
    const all = [...this.box.children];
    return heights(...all.slice(0, all.indexOf(element)));
  }
}

class Entry {
  readonly element: HTMLElement;

  constructor(
    kind: string,
    public px: number,
    topOf: (element: Element) => number,
  ) {
    this.element = document.createElement("article");
    this.element.className = kind;
    this.element.getBoundingClientRect = () => new DOMRect(0, topOf(this.element), 300, this.px);
  }
}

function heights(...elements: Element[]): number {
  return elements.reduce((sum, each) => sum + each.getBoundingClientRect().height, 0);
}

let log: FakeLog;

beforeEach(() => {
  setUpPage();
  log = new FakeLog();
  log.add("assistant", 1_000);
  log.scroll(600);
  log.add("visitor", 50);
  log.follow.said();
});

describe("the log", () => {
  test("shows what the visitor said, and the answer as it begins", () => {
    expect(log.top).toBe(1_050 - LOG_PX);

    log.add("assistant", 100);

    expect(log.top).toBe(1_150 - LOG_PX);
  });

  test("keeps the question at the top when the answer grows past the log, and says that there is more", () => {
    const answer = log.add("assistant", 100);

    for (let px = 200; px <= 2_000; px += 100) log.grow(answer, px);

    expect(log.top).toBe(1_000 - 12);
    expect(log.told.at(-1)).toBe(false);
  });

  test("keeps the answer's own beginning where the question is too long to share the log", () => {
    log.add("visitor", 150);
    log.follow.said();
    const answer = log.add("assistant", 100);

    log.grow(answer, 2_000);

    expect(log.top).toBe(1_200 - 12);
  });

  test("leaves a reader alone who scrolls, while the answer grows", () => {
    const answer = log.add("assistant", 100);
    log.grow(answer, 800);

    log.scroll(1_100);
    log.grow(answer, 1_500);
    expect(log.top).toBe(1_100);

    log.scroll(200);
    log.grow(answer, 2_000);
    log.add("staff", 100);
    expect(log.top).toBe(200);
  });

  test("moved by the reader just now is left alone before the browser has said so", () => {
    const answer = log.add("assistant", 100);

    log.box.scrollTop = 300;
    log.grow(answer, 200);

    expect(log.top).toBe(300);
  });

  test("goes to what the visitor says from wherever the visitor was just now", () => {
    log.add("assistant", 2_000);
    log.box.scrollTop = 300;

    log.follow.said();
    log.add("visitor", 50);

    expect(log.top).toBe(3_100 - LOG_PX);
  });

  test("follows to the end whoever asks for it, and the next answer from its beginning again", () => {
    const answer = log.add("assistant", 100);
    log.grow(answer, 800);

    log.follow.toEnd();
    log.grow(answer, 1_500);
    expect(log.top).toBe(2_550 - LOG_PX);
    expect(log.told.at(-1)).toBe(true);

    const next = log.add("staff", 50);
    log.grow(next, 2_000);
    expect(log.top).toBe(2_550 - 12);
  });

  test("goes on as it was after it was hidden", () => {
    log.isHidden = true;
    log.follow.grown();
    log.add("staff", 100);
    log.isHidden = false;
    log.scroll(0); // not every browser remembers the place

    log.follow.grown();

    expect(log.top).toBe(1_150 - LOG_PX);
  });
});
