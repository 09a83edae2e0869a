import { useId } from "react";
import { cx } from "./cx";

type SwitchProps = {
  label: string;
  hint?: string;
  on: boolean;
  onChange: (on: boolean) => void;
  disabled?: boolean;
  /** Only the switch is seen; its label is said. */
  bare?: boolean;
};

export function Switch({ label, hint, on, onChange, disabled = false, bare = false }: SwitchProps) {
  const id = useId();
  const knob = (
    <button
      type="button"
      id={id}
      role="switch"
      aria-checked={on}
      aria-label={bare ? label : undefined}
      aria-describedby={hint && !bare ? `${id}-hint` : undefined}
      title={bare ? label : undefined}
      disabled={disabled}
      onClick={() => onChange(!on)}
      className={cx(
        "relative inline-flex h-6 w-10 shrink-0 items-center rounded-full border transition-colors disabled:opacity-50",
        on ? "border-accent bg-accent" : "border-edge bg-sunken",
      )}
    >
      <span
        className={cx(
          "size-4 rounded-full transition-transform",
          on ? "translate-x-5 bg-on-accent" : "translate-x-1 bg-edge",
        )}
      />
    </button>
  );
  if (bare) return knob;
  return (
    <div className="flex items-start gap-3">
      {knob}
      <div className="min-w-0 flex-1">
        <label htmlFor={id} className="block cursor-pointer pt-0.5 font-medium">
          {label}
        </label>
        {hint && (
          <p id={`${id}-hint`} className="text-xs text-soft">
            {hint}
          </p>
        )}
      </div>
    </div>
  );
}
