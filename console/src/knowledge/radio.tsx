import { cx } from "../parts/cx";

type RadioProps = {
  group: string;
  name: string;
  hint: string;
  checked: boolean;
  onChoose: () => void;
  className?: string;
};

/** One of several choices, and what it means. */
export function Radio({ group, name, hint, checked, onChoose, className }: RadioProps) {
  return (
    <label className={cx("flex cursor-pointer gap-3", className)}>
      <input
        type="radio"
        name={group}
        checked={checked}
        onChange={onChoose}
        className="mt-0.5 size-4 accent-accent"
      />
      <span>
        <span className="block font-medium">{name}</span>
        <span className="block text-xs text-soft">{hint}</span>
      </span>
    </label>
  );
}
