/** The loader's button, once there is more to say: open or not, how much is unread. */
import type { Strings } from "./strings";

const CHEVRON = "M6 9.5l6 6 6-6";
const COUNT_MAX = 99;

export class Launcher {
  readonly #path: SVGPathElement | null;
  readonly #bubble: string;

  constructor(private readonly button: HTMLButtonElement) {
    this.#path = button.querySelector("path");
    this.#bubble = this.#path?.getAttribute("d") ?? "";
  }

  show(open: boolean, unread: number, strings: Strings): void {
    const closed = unread > 0 ? strings.openUnread(unread) : strings.open;
    this.button.setAttribute("aria-label", open ? strings.close : closed);
    this.button.setAttribute("aria-expanded", `${open}`);
    this.button.dataset["unread"] = open || unread === 0 ? "" : `${Math.min(unread, COUNT_MAX)}`;
    this.#path?.setAttribute("d", open ? CHEVRON : this.#bubble);
  }
}
