/** An answer's text: grows while it streams, then stands with its citations and sources. */
import { createRef, type JSX } from "preact";
import { safeUrl } from "../../markdown/links";
import { MarkdownView } from "../../markdown/view";
import type { Source } from "../../wire";
import type { Strings } from "../strings";
import { Icon } from "./icons";
import { Still } from "./still";

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

export class Answer extends Still<Props> {
  readonly #body = createRef<HTMLDivElement>();
  #view: MarkdownView | null = null;
  #shown = 0;
  #frame = 0;

  override componentDidMount(): void {
    const body = this.#body.current;
    if (!body) return;
    this.#view = new MarkdownView(body, {
      heading: HEADING_LEVEL,
      cite: (n) => citation(body, n),
    });
    this.componentDidUpdate();
  }

  override componentDidUpdate(): void {
    const { text, live, sources, strings } = this.props;
    cancelAnimationFrame(this.#frame);
    if (live) {
      if (this.#shown > text.length) this.#shown = 0;
      if (document.hidden) this.#grow();
      else this.#frame = requestAnimationFrame(this.#grow);
      return;
    }
    this.#write(text.length);
    if (this.#body.current) nameCitations(this.#body.current, sources, strings);
  }

  override componentWillUnmount(): void {
    cancelAnimationFrame(this.#frame);
  }

  render({ live, sources, strings }: Props): JSX.Element {
    return (
      <>
        <div class="text" dir="auto" ref={this.#body} onClick={this.#show} />
        {!live && sources.length > 0 && <Sources sources={sources} strings={strings} />}
      </>
    );
  }

  readonly #grow = (): void => {
    const { length } = this.props.text;
    const behind = length - this.#shown;
    this.#write(this.#shown + (isUnpaced() ? behind : Math.ceil(behind / PACE_FRAMES)));
    if (this.#shown < length) this.#frame = requestAnimationFrame(this.#grow);
  };

  #write(length: number): void {
    const { text, live, grown } = this.props;
    this.#shown = length;
    this.#view?.write(text.slice(0, length), !live);
    grown();
  }

  readonly #show = (event: Event): void => {
    const n = (event.target as Element).closest<HTMLElement>(".cite")?.dataset["n"];
    if (n) openSource(this.#body.current, n);
  };
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
          {source.url && safeUrl(source.url) && (
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

/** Nobody watches, or somebody asked for no motion: all text at once. */
function isUnpaced(): boolean {
  return document.hidden || matchMedia("(prefers-reduced-motion: reduce)").matches;
}
