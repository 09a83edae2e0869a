/** Small screens: the panel covers the page, follows the keyboard, and keeps focus to itself. */

const SMALL = "(max-width: 480px)";

export class FullScreen {
  #undo: (() => void) | null = null;
  readonly #small = matchMedia(SMALL);

  constructor(
    private readonly host: HTMLElement,
    private readonly panel: () => HTMLElement | null,
    private readonly changed: () => void,
  ) {
    this.#small.addEventListener("change", this.changed);
  }

  get isSmall(): boolean {
    return this.#small.matches;
  }

  /** Takes the page over, or gives it back. */
  set(on: boolean): void {
    if (on === (this.#undo !== null)) return;
    if (on) this.#undo = this.#takeOver();
    else this.#giveBack();
  }

  end(): void {
    this.#giveBack();
    this.#small.removeEventListener("change", this.changed);
  }

  #giveBack(): void {
    this.#undo?.();
    this.#undo = null;
  }

  #takeOver(): () => void {
    const others = [...document.body.children].filter(
      (each): each is HTMLElement =>
        each instanceof HTMLElement && each !== this.host && !each.inert,
    );
    for (const each of others) each.inert = true;
    const { style } = document.documentElement;
    const overflow = style.overflow;
    style.overflow = "hidden";
    const unfollow = this.#followKeyboard();
    return () => {
      unfollow();
      style.overflow = overflow;
      for (const each of others) each.inert = false;
    };
  }

  /** The keyboard shrinks the visual viewport only: the panel takes its height and place. */
  #followKeyboard(): () => void {
    const view = window.visualViewport;
    if (!view) return () => undefined;
    let frame = 0;
    const fit = (): void => {
      frame = 0;
      const style = this.panel()?.style;
      style?.setProperty("height", `${view.height}px`);
      style?.setProperty("top", `${view.offsetTop}px`);
    };
    const plan = (): void => {
      frame ||= requestAnimationFrame(fit);
    };
    view.addEventListener("resize", plan);
    view.addEventListener("scroll", plan);
    plan();
    return () => {
      cancelAnimationFrame(frame);
      view.removeEventListener("resize", plan);
      view.removeEventListener("scroll", plan);
      this.panel()?.style.removeProperty("height");
      this.panel()?.style.removeProperty("top");
    };
  }
}
