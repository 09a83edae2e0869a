/** What a screen reader is told: each answer once when it begins and once when it stands, people at once. */
import { renderMarkdown } from "../markdown/view";
import type { Clock } from "../realtime/clock";
import type { Message } from "../wire";
import type { Strings } from "./strings";

const EVERY_MS = 1_500;
const READ_OUT_CHARS_MAX = 500;

export class Announcer {
  #waiting: string[] = [];
  #spokenAt = -EVERY_MS;
  #planned = false;

  constructor(
    private readonly clock: Clock,
    private readonly say: (text: string) => void,
  ) {}

  add(text: string): void {
    this.#waiting.push(text);
    if (this.#planned) return;
    this.#planned = true;
    const wait = Math.max(0, this.#spokenAt + EVERY_MS - this.clock.now());
    this.clock.after(wait, () => {
      this.#planned = false;
      this.#spokenAt = this.clock.now();
      this.say(this.#waiting.splice(0).join(" "));
    });
  }

  message({ author, text }: Message, strings: Strings): void {
    if (author.kind === "staff") this.add(`${strings.said(author.name)} ${text}`);
    if (author.kind === "system") this.add(text);
    if (author.kind !== "assistant") return;
    const spoken = plainText(text, strings);
    const long = spoken.length > READ_OUT_CHARS_MAX;
    this.add(long ? strings.answerReady(spoken.split(/\s+/).length) : spoken);
  }
}

/** An answer as it is read out: no marks, citations as words. */
function plainText(text: string, strings: Strings): string {
  const body = document.createElement("div");
  renderMarkdown(body, text, { cite: (n) => document.createTextNode(strings.sourceSpoken(n)) });
  return body.textContent ?? "";
}
