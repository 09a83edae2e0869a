/** An answer's text: grows while it streams, then stands with its citations and sources. */
import { type JSX } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { MarkdownView } from "../../markdown/view";
import type { Source } from "../../wire";
import type { Strings } from "../strings";
import { Icon } from "./icons";

type Props = {
  text: string;
  live: boolean;
  sources: Source[];
  strings: Strings;
  /** The text has grown on screen. */
  grown: () => void;
};

const HEADING_LEVEL = 3; // the panel's own title is an h2
const PACE_FRAMES = 15; // what is behind is shown over this many frames, about 250 ms

export function Answer({ text, live, sources, strings, grown }: Props): JSX.Element {
  const body = useRef<HTMLDivElement>(null);
  const view = useRef<MarkdownView | null>(null);
  const shown = useRef(0);

  useLayoutEffect(() => {
    const root = body.current;
    if (!root) return;
    view.current ??= new MarkdownView(root, {
      heading: HEADING_LEVEL,
      cite: (n) => citation(root, n),
    });
    if (live) return;
    view.current.write(text, true);
    nameCitations(root, sources, strings);
    shown.current = text.length;
    grown();
  }, [text, live, sources, strings]);

  useEffect(() => {
    if (!live) return;
    let frame = 0;
    const write = (): void => {
      frame = 0;
      if (shown.current > text.length) shown.current = 0;
      const behind = text.length - shown.current;
      shown.current += isUnpaced() ? behind : Math.max(1, Math.ceil(behind / PACE_FRAMES));
      view.current?.write(text.slice(0, shown.current), false);
      grown();
      if (shown.current < text.length) frame = requestAnimationFrame(write);
    };
    if (document.hidden) write();
    else frame = requestAnimationFrame(write);
    return () => cancelAnimationFrame(frame);
  }, [text, live]);

  const show = (event: Event): void => {
    const n = (event.target as Element).closest<HTMLElement>(".cite")?.dataset["n"];
    if (n) openSource(body.current, n);
  };
  return (
    <>
      <div class="text" dir="auto" ref={body} onClick={show} />
      {!live && sources.length > 0 && <Sources sources={sources} strings={strings} />}
    </>
  );
}

function Sources({ sources, strings }: { sources: Source[]; strings: Strings }): JSX.Element {
  return (
    <div class="sources" role="group" aria-label={strings.sources}>
      {sources.map((source) => (
        <details key={source.n} data-n={source.n}>
          <summary>
            <span class="n">{source.n}</span>
            <span class="title" dir="auto">
              {source.title}
            </span>
            {source.page !== null && <span class="page">{strings.page(source.page)}</span>}
            <Icon name="chevron" />
          </summary>
          {source.heading && <p class="heading">{source.heading}</p>}
          <blockquote dir="auto">{source.quote}</blockquote>
          {isWebAddress(source.url) && (
            <a href={source.url} target="_blank" rel="noopener noreferrer">
              {strings.visit}
              <Icon name="out" />
            </a>
          )}
        </details>
      ))}
    </div>
  );
}

/** `[n]` in the text: a button that shows its source, inert until the sources are known. */
function citation(root: Element, n: number): HTMLButtonElement {
  const button = root.ownerDocument.createElement("button");
  button.type = "button";
  button.className = "cite";
  button.textContent = `${n}`;
  button.dataset["n"] = `${n}`;
  return button;
}

/** A number without a source was no citation: it becomes text again. */
function nameCitations(root: Element, sources: Source[], strings: Strings): void {
  for (const button of root.querySelectorAll<HTMLButtonElement>(".cite")) {
    const source = sources.find(({ n }) => `${n}` === button.dataset["n"]);
    if (source) button.setAttribute("aria-label", strings.source(source.n, source.title));
    else button.replaceWith(`[${button.textContent}]`);
  }
}

function openSource(body: HTMLElement | null, n: string): void {
  const source = body?.parentElement?.querySelector<HTMLDetailsElement>(`details[data-n="${n}"]`);
  if (!source) return;
  source.open = true;
  source.querySelector("summary")?.focus();
  source.scrollIntoView({ block: "nearest" });
}

function isWebAddress(url: string | null): url is string {
  return url !== null && /^https?:\/\//i.test(url);
}

/** Nobody watches, or somebody asked for no motion: all text at once. */
function isUnpaced(): boolean {
  return document.hidden || matchMedia("(prefers-reduced-motion: reduce)").matches;
}
