import { cx } from "./cx";

type SegmentsProps<Value> = {
  label: string;
  value: Value;
  options: readonly { value: Value; name: string }[];
  onChange: (value: Value) => void;
};

/** One of a few, all of them in sight. */
export function Segments<Value extends string | null>(props: SegmentsProps<Value>) {
  const { label, value, options, onChange } = props;
  return (
    <div role="group" aria-label={label} className="flex max-w-full gap-1 overflow-x-auto p-0.5">
      {options.map((option) => (
        <button
          key={option.value ?? ""}
          type="button"
          aria-pressed={option.value === value}
          onClick={() => onChange(option.value)}
          className={cx(
            "h-8 shrink-0 rounded-lg px-3 font-medium",
            option.value === value
              ? "bg-accent-tint text-accent-strong"
              : "text-soft hover:bg-hover hover:text-ink",
          )}
        >
          {option.name}
        </button>
      ))}
    </div>
  );
}
