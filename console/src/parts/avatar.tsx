import { Bot, UserRound } from "lucide-react";
import type { CSSProperties } from "react";
import type { AuthorKind } from "../wire";
import { cx } from "./cx";

type AvatarProps = { kind: AuthorKind; id: string | null; name: string; small?: boolean };

export function Avatar({ kind, id, name, small = false }: AvatarProps) {
  const size = small ? 14 : 18;
  const bot = kind === "assistant";
  return (
    <span
      aria-hidden
      style={bot ? undefined : ({ "--hue": hue(id ?? name) } as CSSProperties)}
      className={cx(
        "inline-flex shrink-0 items-center justify-center rounded-full font-semibold select-none",
        small ? "size-6 text-[0.65rem]" : "size-9 text-xs",
        bot ? "bg-sunken text-soft" : "who",
      )}
    >
      {bot ? <Bot size={size} /> : kind === "staff" ? initials(name) : <UserRound size={size} />}
    </span>
  );
}

/** The same id has the same colour everywhere. */
function hue(id: string): number {
  return [...id].reduce((total, letter) => (total * 31 + letter.charCodeAt(0)) % 9973, 7) % 360;
}

function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const letters = [words[0], words.length > 1 ? words.at(-1) : ""].map((word) => [...(word ?? "")][0] ?? "");
  return letters.join("").toUpperCase() || "?";
}
