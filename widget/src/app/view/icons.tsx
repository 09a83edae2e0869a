import type { JSX } from "preact";

const PATHS = {
  close: "M6 6l12 12M18 6L6 18",
  down: "M12 5v14M6 13l6 6 6-6",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M8 8h8v8H8z",
  person: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4.5 20a7.5 7.5 0 0 1 15 0",
  out: "M9 5h10v10M19 5L6 18",
  chevron: "M9 6l6 6-6 6",
  thumb:
    "M8 11l4-8a2.5 2.5 0 0 1 2.5 3L14 9h4.5a2 2 0 0 1 2 2.4l-1.400 7a2 2 0 0 1-2 1.6H8zM8 11H4v9h4",
  check: "M5 12.5l4.5 4.5L19 7",
  alert: "M12 8v5M12 16.2v.1M12 3.5l9 16H3z",
};

/** A drawing beside words that say the same: hidden from those who hear the page. */
export function Icon({ name }: { name: keyof typeof PATHS }): JSX.Element {
  return (
    <svg viewBox="0 0 24 24" aria-hidden="true" class={`icon ${name}`}>
      <path d={PATHS[name]} />
    </svg>
  );
}
