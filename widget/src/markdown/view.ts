/** Markdown that grows: closed blocks are written once, only the last one is written again. */
import { type Block, blocks } from "./blocks";
import { inline, type InlineOptions } from "./inline";

export type MarkdownOptions = {
  /** The level that `#` becomes; deeper ones follow, at most h6. */
  heading?: number;
  /** Makes what stands for `[n]`; null leaves the text as it is. */
  cite?: (n: number) => Node | null;
};

const LAG_LINES = 2; // a block is closed when the next one has begun and its first two lines are whole

export class MarkdownView {
  #frozen = ""; // the text whose blocks will not change any more
  #openNodes: Node[] = [];

  constructor(
    private readonly root: Element,
    private readonly options: MarkdownOptions = {},
  ) {}

  /** Shows `text`; while it is not `done` it may still grow, and cut-off marks at its end are hidden. */
  write(text: string, done: boolean): void {
    const whole = text.replace(/\r\n?/g, "\n");
    if (!whole.startsWith(this.#frozen)) this.#clear();
    const lines = whole.slice(this.#frozen.length).split("\n");
    const found = [...blocks(lines)];
    for (const node of this.#openNodes) this.root.removeChild(node);
    const closed = found.findLastIndex(({ at }) => at + LAG_LINES < lines.length);
    const nodes = found.map(({ block }, index) =>
      this.root.appendChild(this.#element(block, !done && index === found.length - 1)),
    );
    this.#openNodes = closed > 0 ? nodes.slice(closed) : nodes;
    if (closed > 0)
      this.#frozen += lines
        .slice(0, found[closed]?.at)
        .map((line) => `${line}\n`)
        .join("");
  }

  #clear(): void {
    this.#frozen = "";
    this.#openNodes = [];
    this.root.replaceChildren();
  }

  #element(block: Block, open: boolean): Element {
    const make = (tag: string): HTMLElement => this.root.ownerDocument.createElement(tag);
    switch (block.kind) {
      case "paragraph":
        return this.#inline(make("p"), block.text, open);
      case "heading":
        return this.#inline(make(`h${this.#level(block.level)}`), block.text, open);
      case "rule":
        return make("hr");
      case "code": {
        const pre = make("pre");
        pre.tabIndex = 0; // scrolls sideways: reachable without a mouse
        pre.appendChild(make("code")).textContent = block.text;
        return pre;
      }
      case "quote":
        return this.#fill(make("blockquote"), block.blocks, open);
      case "list": {
        const list = make(block.start === null ? "ul" : "ol");
        if (block.start !== null && block.start !== 1) list.setAttribute("start", `${block.start}`);
        block.items.forEach((item, index) => {
          this.#fill(list.appendChild(make("li")), item, open && index === block.items.length - 1);
        });
        return list;
      }
      case "table":
        return this.#table(block, open);
    }
  }

  /** An item's only or first paragraph stands without a frame of its own. */
  #fill(parent: HTMLElement, inner: Block[], open: boolean): HTMLElement {
    inner.forEach((block, index) => {
      const last = open && index === inner.length - 1;
      if (parent.tagName === "LI" && index === 0 && block.kind === "paragraph") {
        this.#inline(parent, block.text, last);
      } else {
        parent.append(this.#element(block, last));
      }
    });
    return parent;
  }

  #table({ align, rows }: Block & { kind: "table" }, open: boolean): Element {
    const make = (tag: string): HTMLElement => this.root.ownerDocument.createElement(tag);
    const frame = make("div");
    frame.className = "table";
    frame.tabIndex = 0;
    const table = frame.appendChild(make("table"));
    const [head, body] = [table.appendChild(make("thead")), make("tbody")];
    if (rows.length > 1) table.append(body);
    rows.forEach((row, index) => {
      const line = (index === 0 ? head : body).appendChild(make("tr"));
      align.forEach((side, column) => {
        const cell = line.appendChild(make(index === 0 ? "th" : "td"));
        if (side) cell.style.setProperty("text-align", side);
        this.#inline(cell, row[column] ?? "", open && index === rows.length - 1);
      });
    });
    return frame;
  }

  #inline(parent: HTMLElement, text: string, open: boolean): HTMLElement {
    const options: InlineOptions = { cite: this.options.cite, open };
    inline(parent, text, options);
    return parent;
  }

  #level(level: number): number {
    return Math.min(6, level - 1 + (this.options.heading ?? 1));
  }
}

/** The whole text at once. */
export function renderMarkdown(root: Element, text: string, options?: MarkdownOptions): void {
  new MarkdownView(root, options).write(text, true);
}
