/** Where the visitor writes. Enter sends, Shift+Enter makes a line; the button stops a running answer. */
import type { JSX, RefObject } from "preact";
import { useLayoutEffect, useState } from "preact/hooks";
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

export function Composer({
  input,
  strings,
  placeholder,
  answering,
  send,
  stop,
  typing,
}: Props): JSX.Element {
  const [text, setText] = useState("");
  const over = text.length - TEXT_CHARS_MAX;
  useLayoutEffect(() => {
    const area = input.current;
    if (!area) return;
    area.style.setProperty("height", "auto");
    if (area.scrollHeight > 0) area.style.setProperty("height", `${area.scrollHeight}px`);
  }, [text]);

  const submit = (): void => {
    if (!text.trim() || over > 0) return;
    send(text.trim());
    setText("");
    input.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    submit();
  };
  const onInput = (event: { currentTarget: HTMLTextAreaElement }): void => {
    setText(event.currentTarget.value);
    typing();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <textarea
        ref={input}
        rows={1}
        dir="auto"
        value={text}
        placeholder={placeholder}
        aria-label={strings.composer}
        aria-invalid={over > 0}
        enterkeyhint="send"
        onInput={onInput}
        onKeyDown={onKeyDown}
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
