/** What was taken out of a text and what was put in, word by word. Pure. */
export type Piece = { kind: "same" | "gone" | "new"; text: string };

/** Above so many words on both sides the middle is shown as one replacement. */
const CELLS_MAX = 2_500_000;

export function diff(before: string, after: string): Piece[] {
  const [old, now] = [wordsOf(before), wordsOf(after)];
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
  let end = 0;
  while (end < Math.min(old.length, now.length) - start && old.at(-1 - end) === now.at(-1 - end)) end += 1;
  return grouped([
    { kind: "same", text: old.slice(0, start).join("") },
    ...middle(old.slice(start, old.length - end), now.slice(start, now.length - end)),
    { kind: "same", text: old.slice(old.length - end).join("") },
  ]);
}

/** Words, the white space between them, single signs; where words are not parted, single characters. */
function wordsOf(text: string): string[] {
  return (
    text.match(
      /\s+|[\p{sc=Han}\p{sc=Hira}\p{sc=Kana}\p{sc=Thai}]|[\p{L}\p{M}\p{N}]+?(?![\p{L}\p{M}\p{N}])|./gsu,
    ) ?? []
  );
}

/** By the longest common subsequence. */
function middle(old: string[], now: string[]): Piece[] {
  if (old.length * now.length > CELLS_MAX) return replaced(old, now);
  const width = now.length + 1;
  const common = new Uint16Array((old.length + 1) * width);
  const at = (i: number, j: number): number => common[i * width + j] ?? 0;
  for (let i = old.length - 1; i >= 0; i--) {
    for (let j = now.length - 1; j >= 0; j--) {
      common[i * width + j] = old[i] === now[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
    }
  }
  const pieces: Piece[] = [];
  let [i, j] = [0, 0];
  while (i < old.length && j < now.length) {
    if (old[i] === now[j]) {
      pieces.push({ kind: "same", text: old[i] ?? "" });
      i += 1;
      j += 1;
    } else if (at(i + 1, j) >= at(i, j + 1)) {
      pieces.push({ kind: "gone", text: old[i++] ?? "" });
    } else {
      pieces.push({ kind: "new", text: now[j++] ?? "" });
    }
  }
  return [...pieces, ...replaced(old.slice(i), now.slice(j))];
}

function replaced(old: string[], now: string[]): Piece[] {
  return [
    { kind: "gone", text: old.join("") },
    { kind: "new", text: now.join("") },
  ];
}

/** Changes that only white space parts are one change: what went, then what came. */
function grouped(pieces: Piece[]): Piece[] {
  const groups: Piece[] = [];
  let [gone, came, gap] = ["", "", ""];
  const put = (kind: Piece["kind"], text: string): void => {
    const last = groups.at(-1);
    if (last?.kind === kind) groups[groups.length - 1] = { kind, text: last.text + text };
    else if (text !== "") groups.push({ kind, text });
  };
  const close = (): void => {
    put("gone", gone);
    put("new", came);
    put("same", gap);
    [gone, came, gap] = ["", "", ""];
  };
  for (const { kind, text } of pieces.filter((piece) => piece.text !== "")) {
    const changing = gone !== "" || came !== "";
    if (kind === "same" && changing && gap === "" && text.trim() === "") {
      gap = text;
    } else if (kind === "same") {
      if (changing) close();
      put(kind, text);
    } else {
      gone += gap + (kind === "gone" ? text : "");
      came += gap + (kind === "new" ? text : "");
      gap = "";
    }
  }
  close();
  return groups;
}
