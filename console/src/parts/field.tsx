/** Fields of a form: a name above, a hint or what is wrong below, both told to screen readers. */
import { type ComponentProps, type ReactNode, useId } from "react";
import { cx } from "./cx";

export const FIELD =
  "w-full min-w-0 rounded-lg border bg-surface px-3 text-ink placeholder:text-soft disabled:opacity-60";

type Told = { label: string; hint?: ReactNode; problem?: string | null | undefined };

export function TextField({ label, hint, problem, className, ...rest }: Told & ComponentProps<"input">) {
  const { ids, marks } = useMarks(hint, problem);
  return (
    <Around label={label} hint={hint} problem={problem} ids={ids} className={className}>
      <input {...marks} {...rest} className={cx(FIELD, "h-9", edge(problem))} />
    </Around>
  );
}

export function TextArea({ label, hint, problem, className, ...rest }: Told & ComponentProps<"textarea">) {
  const { ids, marks } = useMarks(hint, problem);
  return (
    <Around label={label} hint={hint} problem={problem} ids={ids} className={className}>
      <textarea dir="auto" {...marks} {...rest} className={cx(FIELD, "block py-2", edge(problem))} />
    </Around>
  );
}

type SelectFieldProps<Value extends string> = Told & {
  value: Value;
  options: readonly { value: Value; name: string }[];
  onChange: (value: Value) => void;
  className?: string;
  disabled?: boolean;
};

export function SelectField<Value extends string>(props: SelectFieldProps<Value>) {
  const { label, hint, problem, value, options, onChange, className, disabled } = props;
  const { ids, marks } = useMarks(hint, problem);
  return (
    <Around label={label} hint={hint} problem={problem} ids={ids} className={className}>
      <select
        {...marks}
        value={value}
        disabled={disabled}
        onChange={({ target }) => {
          const chosen = options.find((option) => option.value === target.value);
          if (chosen) onChange(chosen.value);
        }}
        className={cx(FIELD, "h-9 pr-8", edge(problem))}
      >
        {options.map((option) => (
          <option key={option.value} value={option.value}>
            {option.name}
          </option>
        ))}
      </select>
    </Around>
  );
}

type Ids = { field: string; hint: string; problem: string };

function useMarks(hint: ReactNode, problem: string | null | undefined) {
  const id = useId();
  const ids: Ids = { field: id, hint: `${id}-hint`, problem: `${id}-problem` };
  const described = cx(problem && ids.problem, Boolean(hint) && ids.hint);
  const marks = {
    id: ids.field,
    "aria-invalid": problem ? true : undefined,
    "aria-describedby": described || undefined,
  };
  return { ids, marks };
}

function Around(props: Told & { ids: Ids; children: ReactNode; className: string | undefined }) {
  const { label, hint, problem, ids, children, className } = props;
  return (
    <div className={className}>
      <label htmlFor={ids.field} className="mb-1 block font-medium">
        {label}
      </label>
      {children}
      {problem && (
        <p id={ids.problem} className="mt-1 text-bad">
          {problem}
        </p>
      )}
      {hint && (
        <p id={ids.hint} className="mt-1 text-xs text-soft">
          {hint}
        </p>
      )}
    </div>
  );
}

function edge(problem: string | null | undefined): string {
  return problem ? "border-bad" : "border-edge";
}
