import type { ComponentProps } from "react";
import { cx } from "./cx";

export type Tone = "primary" | "plain" | "quiet" | "danger" | "note";

const TONES: Record<Tone, string> = {
  primary: "bg-accent text-on-accent hover:bg-accent-strong",
  plain: "border border-line bg-surface text-ink hover:bg-hover",
  quiet: "text-soft hover:bg-hover hover:text-ink",
  danger: "bg-bad text-surface hover:opacity-90",
  note: "bg-note-ink text-note hover:opacity-90",
};

export function buttonClass(tone: Tone = "plain", className?: string, square = false): string {
  return cx(
    "inline-flex h-9 shrink-0 items-center justify-center gap-1.5 rounded-lg text-sm font-medium whitespace-nowrap",
    square ? "w-9" : "px-3",
    "transition-colors disabled:pointer-events-none disabled:opacity-50",
    TONES[tone],
    className,
  );
}

export function Button({ tone, className, ...rest }: ComponentProps<"button"> & { tone?: Tone }) {
  return <button type="button" className={buttonClass(tone, className)} {...rest} />;
}

/** A button that shows only a picture: its name is said to those who cannot see it, and on hover. */
export function IconButton({ label, className, ...rest }: ComponentProps<"button"> & { label: string }) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      className={buttonClass("quiet", className, true)}
      {...rest}
    />
  );
}
