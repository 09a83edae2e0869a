import type { JSX } from "preact";
import type { Strings } from "../strings";
import { Icon } from "./icons";

type Props = {
  items: string[];
  strings: Strings;
  ask: (text: string) => void;
  near?: () => void;
};

/** Questions that are asked with one press. */
export function Questions({ items, strings, ask, near }: Props): JSX.Element | null {
  if (!items.length) return null;
  return (
    <ul class="starters" aria-label={strings.starters} onPointerEnter={near}>
      {items.map((text) => (
        <li key={text}>
          <button type="button" dir="auto" onClick={() => ask(text)}>
            {text}
            <Icon name="chevron" />
          </button>
        </li>
      ))}
    </ul>
  );
}
