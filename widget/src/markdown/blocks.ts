/** Markdown's blocks, line by line. Pure; looks one line ahead at most, so that a stream can be cut anywhere. */

export type Align = "start" | "center" | "end" | null;

export type Block =
  | { kind: "paragraph"; text: string }
  | { kind: "heading"; level: number; text: string }
  | { kind: "code"; text: string }
  | { kind: "rule" }
  | { kind: "quote"; blocks: Block[] }
  | { kind: "list"; start: number | null; items: Block[][] }
  | { kind: "table"; align: Align[]; rows: string[][] };

/** A block and the index of the first line after it. */
type Taken = { block: Block; next: number };

const DEPTH_MAX = 6;
const COLUMNS_MAX = 20;

const FENCE = /^ {0,3}(`{3,}|~{3,})[^`]*$/;
const HEADING = /^ {0,3}(#{1,6})[ \t]+(.*)$/;
const RULE = /^ {0,3}(?:(?:-[ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,})$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+]|\d{1,9}[.)])(?:[ \t]+(.*))?$/;
const DIVIDER = /^ {0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$/;

/** The blocks of `lines` from `from` on, each with the line it starts at. */
export function* blocks(lines: string[], from = 0, depth = 0): Generator<Taken & { at: number }> {
  let at = from;
  while (at < lines.length) {
    if (isBlank(lines[at])) {
      at++;
      continue;
    }
    const taken = take(lines, at, depth);
    yield { ...taken, at };
    at = taken.next;
  }
}

function take(lines: string[], at: number, depth: number): Taken {
  const line = lines[at] ?? "";
  const heading = HEADING.exec(line);
  if (heading) {
    const text = (heading[2] ?? "").replace(/(^|[ \t]+)#+[ \t]*$/, "");
    return { block: { kind: "heading", level: heading[1]?.length ?? 1, text }, next: at + 1 };
  }
  const fence = FENCE.exec(line)?.[1];
  if (fence) return takeCode(lines, at, fence);
  if (RULE.test(line)) return { block: { kind: "rule" }, next: at + 1 };
  if (depth < DEPTH_MAX) {
    if (QUOTE.test(line)) return takeQuote(lines, at, depth);
    if (ITEM.test(line)) return takeList(lines, at, depth);
  }
  if (startsTable(lines, at)) return takeTable(lines, at);
  return takeParagraph(lines, at, depth);
}

/** Whether the line at `at` begins something that ends a paragraph before it. */
function interrupts(lines: string[], at: number, depth: number): boolean {
  const line = lines[at] ?? "";
  if (isBlank(line) || HEADING.test(line) || FENCE.test(line) || RULE.test(line)) return true;
  if (depth < DEPTH_MAX && (QUOTE.test(line) || ITEM.exec(line)?.[3])) return true;
  return startsTable(lines, at);
}

function takeParagraph(lines: string[], at: number, depth: number): Taken {
  let next = at + 1;
  while (next < lines.length && !interrupts(lines, next, depth)) next++;
  const text = lines.slice(at, next).map((line) => line.trimStart());
  return { block: { kind: "paragraph", text: text.join("\n").trimEnd() }, next };
}

function takeCode(lines: string[], at: number, fence: string): Taken {
  const closing = new RegExp(`^ {0,3}${fence[0]}{${fence.length},}[ \\t]*$`);
  let next = at + 1;
  while (next < lines.length && !closing.test(lines[next] ?? "")) next++;
  const text = lines.slice(at + 1, next).join("\n");
  return { block: { kind: "code", text }, next: Math.min(next + 1, lines.length) };
}

function takeQuote(lines: string[], at: number, depth: number): Taken {
  let next = at;
  while (next < lines.length && QUOTE.test(lines[next] ?? "")) next++;
  const inner = lines.slice(at, next).map((line) => line.replace(QUOTE, ""));
  return { block: { kind: "quote", blocks: inside(inner, depth) }, next };
}

function takeList(lines: string[], at: number, depth: number): Taken {
  const first = ITEM.exec(lines[at] ?? "");
  const kind = listKind(first);
  const nested = (first?.[1]?.length ?? 0) + 2; // an item from this column on belongs to the one before
  const inner = new RegExp(`^(?:\\t| {1,${nested + (first?.[2]?.length ?? 1) - 1}})`);
  const items: string[][] = [];
  let next = at;
  while (next < lines.length) {
    const line = lines[next] ?? "";
    const item = ITEM.exec(line);
    const own = items.at(-1);
    if (item && (item[1]?.length ?? 0) < nested && listKind(item) === kind && !RULE.test(line)) {
      items.push([item[3] ?? ""]);
    } else if (own && isBlank(line)) {
      if (!continues(lines, next + 1, kind)) break;
      own.push("");
    } else if (own && /^(?: {2}|\t)/.test(line)) {
      own.push(line.replace(inner, ""));
    } else if (own && !isBlank(lines[next - 1]) && !interrupts(lines, next, depth)) {
      own.push(line);
    } else {
      break;
    }
    next++;
  }
  const start = /\d/.test(kind) ? Number.parseInt(first?.[2] ?? "1", 10) : null;
  return {
    block: { kind: "list", start, items: items.map((item) => inside(item, depth)) },
    next,
  };
}

/** After a blank line a list goes on with an item of its kind or an indented line. */
function continues(lines: string[], at: number, kind: string): boolean {
  let next = at;
  while (next < lines.length && isBlank(lines[next])) next++;
  const line = lines[next] ?? "";
  return /^(?: {2}|\t)/.test(line) || (listKind(ITEM.exec(line)) === kind && !RULE.test(line));
}

function listKind(item: RegExpExecArray | null): string {
  const marker = item?.[2] ?? "";
  return /\d/.test(marker) ? `1${marker.slice(-1)}` : marker;
}

function startsTable(lines: string[], at: number): boolean {
  const divider = lines[at + 1] ?? "";
  return !!lines[at]?.includes("|") && divider.includes("-") && DIVIDER.test(divider);
}

function takeTable(lines: string[], at: number): Taken {
  const align = cells(lines[at + 1] ?? "").map(alignOf);
  const rows = [cells(lines[at] ?? "")];
  let next = at + 2;
  while (next < lines.length && lines[next]?.includes("|")) rows.push(cells(lines[next++] ?? ""));
  return { block: { kind: "table", align, rows }, next };
}

function cells(line: string): string[] {
  const bare = line.trim().replace(/^\||(?<!\\)\|$/g, "");
  return bare.split(/(?<!\\)\|/, COLUMNS_MAX).map((cell) => cell.trim().replaceAll("\\|", "|"));
}

function alignOf(cell: string): Align {
  const end = cell.endsWith(":");
  return cell.startsWith(":") ? (end ? "center" : "start") : end ? "end" : null;
}

function inside(lines: string[], depth: number): Block[] {
  return [...blocks(lines, 0, depth + 1)].map(({ block }) => block);
}

function isBlank(line: string | undefined): boolean {
  return !line?.trim();
}
