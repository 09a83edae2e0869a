/** Markdown inside a line: emphasis, code, links, citations. Writes nodes, never HTML. */
import { bareUrl, link } from "./links";

export type InlineOptions = {
  /** Makes what stands for `[n]`; null leaves the text as it is. */
  cite?: ((n: number) => Node | null) | undefined;
  /** The text still grows: unfinished marks at its end are closed or hidden. */
  open?: boolean;
};

const DEPTH_MAX = 8;
const CITATION = /\[(\d{1,2}(?:\s?,\s?\d{1,2})*)\](?!\()/y;
const LINK =
  /!?\[((?:[^[\]\\]|\\.){0,1000})\]\(\s*<?((?:[^()\s<>]|\([^()\s]{0,1000}\)){0,2000})>?(?:\s+"[^"\n]{0,300}")?\s*\)/y;
const OPEN_LINK = /!?\[([^[\]]*)(?:\](?:\([^()]*)?)?$/y;
const ANGLE = /<((?:https?:\/\/|mailto:)[^\s<>]{1,2000})>/iy;
const BREAK = /<br\s{0,9}\/?>/iy;
const MARK = /\*\*|__|~~|\*|_/y;
const TAGS: Record<string, string> = {
  "**": "strong",
  __: "strong",
  "~~": "del",
  "*": "em",
  _: "em",
};

export function inline(parent: Element, text: string, options: InlineOptions, depth = 0): void {
  new Writer(parent, text, options, depth).write();
}

class Writer {
  #at = 0;
  #plain = "";
  /** Marks that are known not to be closed in what follows. */
  #unclosed = new Set<string>();
  readonly #document: Document;

  constructor(
    private readonly parent: Element,
    private readonly text: string,
    private readonly options: InlineOptions,
    private readonly depth: number,
  ) {
    this.#document = parent.ownerDocument;
  }

  write(): void {
    const { text } = this;
    while (this.#at < text.length) {
      if (!this.#special(text[this.#at] ?? "")) this.#plain += text[this.#at++];
    }
    this.#flush();
  }

  /** Takes what starts here, if it is more than a character. */
  #special(character: string): boolean {
    switch (character) {
      case "\\":
        return this.#escape();
      case "`":
        return this.#code();
      case "*":
      case "_":
      case "~":
        return this.#emphasis();
      case "[":
        return this.#citation() || this.#link();
      case "!":
        return this.text[this.#at + 1] === "[" && this.#link();
      case "<":
        return this.#angle();
      case "h":
        return this.#bare();
      case "\n":
        return this.#newline();
      default:
        return false;
    }
  }

  #escape(): boolean {
    const next = this.text[this.#at + 1];
    if (next === "\n") {
      this.#add("br");
      this.#at += 2;
      return true;
    }
    if (!next || !/[!-/:-@[-`{-~]/.test(next)) return false;
    this.#plain += next;
    this.#at += 2;
    return true;
  }

  #newline(): boolean {
    const hard = this.#plain.endsWith("  ");
    this.#plain = this.#plain.trimEnd();
    if (hard) this.#add("br");
    else this.#plain += "\n";
    this.#at++;
    return true;
  }

  #code(): boolean {
    const run = this.#match(/`+/y)?.[0] ?? "`";
    const from = this.#at + run.length;
    let end = this.#unclosed.has(run) ? -1 : findRun(this.text, run, from);
    if (end < 0) {
      this.#unclosed.add(run);
      if (!this.options.open) {
        this.#plain += run;
        this.#at = from;
        return true;
      }
      end = this.text.length;
    }
    const code = this.text.slice(from, end).replaceAll("\n", " ");
    if (code) this.#add("code").textContent = /^ .*[^ ].* $/.test(code) ? code.slice(1, -1) : code;
    this.#at = Math.min(end + run.length, this.text.length);
    return true;
  }

  #emphasis(): boolean {
    const mark = this.#match(MARK)?.[0];
    if (!mark) return false;
    const from = this.#at + mark.length;
    if (
      this.options.open &&
      /^[*_~]*$/.test(this.text.slice(from, from + 3)) &&
      from + 3 >= this.text.length
    ) {
      this.#at = this.text.length;
      return true;
    }
    const end = this.#canOpen(mark, from) ? this.#closing(mark, from) : -1;
    if (end < 0) {
      this.#plain += mark;
      this.#at = from;
      return true;
    }
    inline(this.#add(TAGS[mark] ?? "em"), this.text.slice(from, end), this.options, this.depth + 1);
    this.#at = Math.min(end + mark.length, this.text.length);
    return true;
  }

  #canOpen(mark: string, from: number): boolean {
    const inWord = mark[0] === "_" && /[\p{L}\p{N}]/u.test(this.text[this.#at - 1] ?? "");
    return this.depth < DEPTH_MAX && !inWord && /\S/.test(this.text[from] ?? "");
  }

  /** Where `mark` is closed after `from`; the end of the text while it grows; else -1. */
  #closing(mark: string, from: number): number {
    if (!this.#unclosed.has(mark)) {
      const end = findMark(this.text, mark, from);
      if (end > from) return end;
      if (end < 0) this.#unclosed.add(mark);
    }
    return this.options.open ? this.text.length : -1;
  }

  #citation(): boolean {
    const found = this.options.cite && this.#match(CITATION);
    if (!found) return false;
    const nodes = (found[1] ?? "").split(",").map((n) => this.options.cite?.(Number(n)) ?? null);
    if (nodes.includes(null)) return false;
    this.#flush();
    this.parent.append(...(nodes as Node[]));
    this.#at += found[0].length;
    return true;
  }

  /** Of an image only its words stay: whoever it was fetched from would learn who reads this. */
  #link(): boolean {
    const found = this.#match(LINK);
    if (found && this.text[this.#at] === "!") {
      this.#plain += found[1];
      this.#at += found[0].length;
      return true;
    }
    const anchor = found && link(this.#document, found[2] ?? "");
    if (found && anchor) {
      this.#flush();
      const label = found[1] || found[2] || "";
      if (this.depth < DEPTH_MAX) inline(anchor, label, {}, DEPTH_MAX - 1);
      else anchor.textContent = label;
      for (const nested of [...anchor.querySelectorAll("a")])
        nested.replaceWith(...nested.childNodes);
      this.parent.append(anchor);
      this.#at += found[0].length;
      return true;
    }
    const open = this.options.open ? this.#match(OPEN_LINK) : null;
    if (!open) return false;
    if (!/^[\d,\s]*$/.test(open[1] ?? "")) this.#plain += open[1];
    this.#at = this.text.length;
    return true;
  }

  #angle(): boolean {
    const found = this.#match(ANGLE);
    if (found) return this.#anchor(found[1] ?? "", found[0].length);
    const lineBreak = this.#match(BREAK);
    if (!lineBreak) return false;
    this.#add("br");
    this.#at += lineBreak[0].length;
    return true;
  }

  #bare(): boolean {
    if (/\w/.test(this.text[this.#at - 1] ?? "")) return false;
    const url = bareUrl(this.text, this.#at);
    return url !== null && this.#anchor(url, url.length);
  }

  #anchor(address: string, length: number): boolean {
    const anchor = link(this.#document, address);
    if (!anchor) return false;
    this.#flush();
    anchor.textContent = address.replace(/^mailto:/i, "");
    this.parent.append(anchor);
    this.#at += length;
    return true;
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    return pattern.exec(this.text);
  }

  #add(tag: string): Element {
    this.#flush();
    return this.parent.appendChild(this.#document.createElement(tag));
  }

  #flush(): void {
    if (this.#plain) this.parent.append(this.#plain);
    this.#plain = "";
  }
}

/** Where exactly this run of back-ticks comes again. */
function findRun(text: string, run: string, from: number): number {
  for (let at = text.indexOf(run, from); at >= 0;) {
    let end = at;
    while (text[end] === "`") end++;
    if (end - at === run.length) return at;
    at = text.indexOf(run, end);
  }
  return -1;
}

/** Where `mark` ends what it began: after no space, outside code, a single mark not half of a double one. */
function findMark(text: string, mark: string, from: number): number {
  const single = mark.length === 1;
  for (let at = from; at < text.length; at++) {
    const character = text[at];
    if (character === "\\") at++;
    else if (character === "`") at = Math.max(at, skipCode(text, at));
    else if (character === mark[0]) {
      let end = at;
      while (text[end] === character) end++;
      const fits = single ? (end - at) % 2 === 1 : end - at >= 2;
      const flanked = /\S/.test(text[at - 1] ?? "") && at > from;
      const inWord = character === "_" && /[\p{L}\p{N}]/u.test(text[end] ?? "");
      if (fits && flanked && !inWord) return end - mark.length;
      at = end - 1;
    }
  }
  return -1;
}

function skipCode(text: string, at: number): number {
  let end = at;
  while (text[end] === "`") end++;
  const closing = findRun(text, text.slice(at, end), end);
  return closing < 0 ? end - 1 : closing + (end - at) - 1;
}
