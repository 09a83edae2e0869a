/** Where the visitor writes. Enter sends, Shift+Enter makes a line; the button stops a running answer. */
import { Component, type JSX, type RefObject } from "preact";
import type { Strings } from "../strings";
import { Icon } from "./icons";

export const TEXT_CHARS_MAX = 4_000;
const COUNT_FROM = TEXT_CHARS_MAX - 200;

type Props = {
  input: RefObject<HTMLTextAreaElement | null>;
  strings: Strings;
  placeholder: string;
  answering: boolean;
  send: (text: string) => void;
  stop: () => void;
  typing: () => void;
};

export class Composer extends Component<Props, { text: string }> {
  override state = { text: "" };

  override componentDidUpdate(_: Props, before: { text: string }): void {
    const area = this.props.input.current;
    if (!area || before.text === this.state.text) return;
    area.style.setProperty("height", "auto");
    if (area.scrollHeight > 0) area.style.setProperty("height", `${area.scrollHeight}px`);
  }

  render(
    { input, strings, placeholder, answering, stop }: Props,
    { text }: { text: string },
  ): JSX.Element {
    const over = text.length - TEXT_CHARS_MAX;
    return (
      <form class="composer" onSubmit={this.#submit}>
        <textarea
          ref={input}
          rows={1}
          dir="auto"
          value={text}
          placeholder={placeholder}
          aria-label={strings.composer}
          aria-invalid={over > 0}
          enterkeyhint="send"
          onInput={this.#onInput}
          onKeyDown={this.#onKeyDown}
        />
        {text.length > COUNT_FROM && (
          <span class={over > 0 ? "count over" : "count"} role="status">
            {over > 0 ? strings.tooLong(over) : `${text.length} / ${TEXT_CHARS_MAX}`}
          </span>
        )}
        {answering && (
          <button type="button" class="round stopper" onClick={stop} aria-label={strings.stop}>
            <Icon name="stop" />
          </button>
        )}
        {(!answering || text.trim()) && (
          <button
            type="submit"
            class="round"
            aria-label={strings.send}
            aria-disabled={!text.trim() || over > 0}
          >
            <Icon name="send" />
          </button>
        )}
      </form>
    );
  }

  readonly #submit = (event: Event): void => {
    event.preventDefault();
    const text = this.state.text.trim();
    if (!text || this.state.text.length > TEXT_CHARS_MAX) return;
    this.props.send(text);
    this.setState({ text: "" });
    this.props.input.current?.focus();
  };

  readonly #onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.#submit(event);
  };

  readonly #onInput = (event: { currentTarget: HTMLTextAreaElement }): void => {
    this.setState({ text: event.currentTarget.value });
    this.props.typing();
  };
}
