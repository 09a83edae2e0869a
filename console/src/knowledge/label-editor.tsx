/** Labels as chips: typed, chosen from those in use, taken away. */
import { useQuery } from "@tanstack/react-query";
import { Plus, Tag, X } from "lucide-react";
import { type KeyboardEvent, useId, useRef, useState } from "react";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { Chip } from "../parts/chip";
import { cx } from "../parts/cx";
import { Dialog } from "../parts/dialog";
import { added, audience, draftOf, type LabelDraft, settled, suggestions, without } from "./labels";
import { labelsQuery } from "./queries";

const SUGGESTED_MAX = 10;

export function LabelChips({ labels }: { labels: readonly string[] }) {
  if (labels.length === 0) return null;
  return (
    <ul aria-label="Labels" className="flex flex-wrap gap-1">
      {labels.map((label) => (
        <li key={label} className="max-w-full">
          <Chip>
            <Tag size={11} aria-hidden className="shrink-0" />
            <span className="truncate">{label}</span>
          </Chip>
        </li>
      ))}
    </ul>
  );
}

type LabelEditorProps = {
  draft: LabelDraft;
  onChange: (draft: LabelDraft) => void;
  /** What stands below; by default who is answered from it. */
  hint?: string;
  autoFocus?: boolean;
};

export function LabelEditor({ draft, onChange, hint, autoFocus = false }: LabelEditorProps) {
  const known = useQuery(labelsQuery(useOrg())).data?.items ?? [];
  const input = useRef<HTMLInputElement>(null);
  const id = useId();
  const { labels, typed, problem } = draft;
  const remove = (label: string): void => {
    onChange(without(draft, label));
    input.current?.focus();
  };
  const press = (event: KeyboardEvent): void => {
    const last = labels.at(-1);
    if (event.key === "Enter" || event.key === ",") {
      event.preventDefault();
      onChange(settled(draft));
    } else if (event.key === "Backspace" && typed === "" && last !== undefined) {
      remove(last);
    }
  };
  return (
    <div>
      <label htmlFor={id} className="mb-1 block font-medium">
        Labels
      </label>
      <div
        className={cx(
          "flex min-h-9 flex-wrap items-center gap-1.5 rounded-lg border bg-surface p-1.5 focus-within:outline-2 focus-within:outline-offset-2 focus-within:outline-accent",
          problem ? "border-bad" : "border-edge",
        )}
      >
        {labels.map((label) => (
          <span
            key={label}
            className="inline-flex h-6 max-w-full items-center rounded-full bg-accent-tint pl-2.5 text-xs font-medium text-accent-strong"
          >
            <span className="truncate">{label}</span>
            <button
              type="button"
              aria-label={`Remove the label ${label}`}
              onClick={() => remove(label)}
              className="inline-flex size-6 shrink-0 items-center justify-center rounded-full"
            >
              <X size={13} aria-hidden />
            </button>
          </span>
        ))}
        <input
          ref={input}
          id={id}
          value={typed}
          aria-invalid={problem ? true : undefined}
          aria-describedby={`${id}-told`}
          autoComplete="off"
          autoFocus={autoFocus}
          placeholder={labels.length === 0 ? "None: for everyone" : "Another label"}
          onChange={({ target }) => onChange({ labels, typed: target.value, problem: null })}
          onKeyDown={press}
          onBlur={() => onChange(settled(draft))}
          className="h-6 min-w-32 flex-1 bg-transparent px-1 outline-none placeholder:text-soft"
        />
      </div>
      <Suggestions
        labels={suggestions(known, labels, typed)}
        onChoose={(label) => onChange(added(draft, [label]))}
      />
      <p id={`${id}-told`} className={cx("mt-1", problem ? "text-bad" : "text-xs text-soft")}>
        {problem ?? hint ?? audience(labels)}
      </p>
    </div>
  );
}

function Suggestions({ labels, onChoose }: { labels: string[]; onChoose: (label: string) => void }) {
  if (labels.length === 0) return null;
  return (
    <div role="group" aria-label="Labels in use" className="mt-1.5 flex flex-wrap gap-1.5">
      {labels.slice(0, SUGGESTED_MAX).map((label) => (
        <button
          key={label}
          type="button"
          onMouseDown={(event) => event.preventDefault()} // the field keeps the focus, and what is typed
          onClick={() => onChoose(label)}
          className="inline-flex h-6 max-w-full items-center gap-1 rounded-full px-2 text-xs text-soft inset-ring inset-ring-line hover:bg-hover hover:text-ink"
        >
          <Plus size={12} aria-hidden className="shrink-0" />
          <span className="truncate">{label}</span>
        </button>
      ))}
    </div>
  );
}

type LabelsDialogProps = {
  title: string;
  labels: readonly string[];
  hint?: (labels: readonly string[]) => string;
  action?: string;
  saving: boolean;
  onSave: (labels: string[]) => void;
  onClose: () => void;
};

/** Stands only while it is open, so that it begins with what is stored. */
export function LabelsDialog(props: LabelsDialogProps) {
  const { title, hint, action = "Save labels", saving, onSave, onClose } = props;
  const [draft, setDraft] = useState(() => draftOf(props.labels));
  const save = (): void => {
    const last = settled(draft);
    setDraft(last);
    if (last.problem === null) onSave([...last.labels]);
  };
  return (
    <Dialog open title={title} onClose={onClose}>
      <LabelEditor autoFocus draft={draft} onChange={setDraft} {...(hint && { hint: hint(draft.labels) })} />
      <div className="mt-5 flex justify-end gap-2">
        <Button onClick={onClose}>Cancel</Button>
        <Button tone="primary" disabled={saving} onClick={save}>
          {saving ? "Saving…" : action}
        </Button>
      </div>
    </Dialog>
  );
}
