import type { ReactNode } from "react";
import { cx } from "./cx";

export type ChipTone = "plain" | "accent" | "warn" | "bad" | "good";

const TONES: Record<ChipTone, string> = {
  plain: "bg-surface text-soft inset-ring inset-ring-line",
  accent: "bg-accent-tint text-accent-strong",
  warn: "bg-warn-tint text-warn",
  bad: "bg-bad-tint text-bad",
  good: "bg-good-tint text-good",
};

export function Chip({ tone = "plain", children }: { tone?: ChipTone; children: ReactNode }) {
  return (
    <span
      className={cx(
        "inline-flex max-w-full shrink-0 items-center gap-1 rounded-full px-2 py-0.5 text-xs font-medium whitespace-nowrap",
        TONES[tone],
      )}
    >
      {children}
    </span>
  );
}
