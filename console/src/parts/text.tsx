/** Words of visitors, staff and the model, written as nodes and never as HTML. */
import { renderPlain } from "@widget/markdown/links";
import { MarkdownView } from "@widget/markdown/view";
import { useLayoutEffect, useRef } from "react";

const HEADING_LEVEL = 3; // below the conversation's own heading

/** People's own words: line breaks as typed, addresses as links. */
export function Plain({ text }: { text: string }) {
  const root = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    root.current?.replaceChildren();
    if (root.current) renderPlain(root.current, text);
  }, [text]);
  return <div ref={root} dir="auto" className="prose whitespace-pre-wrap" />;
}

type MarkdownProps = { text: string; done: boolean; onCite?: (n: number) => void };

/** Markdown that may still grow; closed blocks are left alone while the rest is written. */
export function Markdown({ text, done, onCite }: MarkdownProps) {
  const root = useRef<HTMLDivElement>(null);
  const view = useRef<MarkdownView | null>(null);
  const cited = useRef(onCite);
  cited.current = onCite;
  useLayoutEffect(() => {
    if (!root.current) return;
    view.current ??= new MarkdownView(root.current, {
      heading: HEADING_LEVEL,
      cite: (n) => citation(n, () => cited.current?.(n)),
    });
    view.current.write(text, done);
  }, [text, done]);
  return <div ref={root} dir="auto" className="prose" />;
}

function citation(n: number, open: () => void): Node {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "cite";
  button.textContent = `${n}`;
  button.setAttribute("aria-label", `Source ${n}`);
  button.addEventListener("click", open);
  return button;
}
