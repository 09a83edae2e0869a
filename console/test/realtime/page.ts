import type { Page, PageEvent } from "@widget/realtime/page";

/** A page that is seen, hidden and cut off when a test says so. */
export class TestPage implements Page {
  isHidden = false;
  #told: ((event: PageEvent) => void)[] = [];

  hidden = (): boolean => this.isHidden;

  watch = (told: (event: PageEvent) => void): (() => void) => {
    this.#told.push(told);
    return () => {
      this.#told = this.#told.filter((each) => each !== told);
    };
  };

  say(event: PageEvent): void {
    for (const told of [...this.#told]) told(event);
  }
}
