/** A form at the side of the window: a draft, and what is wrong with it beside its fields from the first try on. */
import { type ReactNode, type SyntheticEvent, useRef, useState } from "react";
import { Button } from "../parts/button";
import { Dialog, SheetFoot } from "../parts/dialog";
import { type LabelDraft, settled } from "./labels";

type Problems<Field extends string> = Partial<Record<Field, string>>;

export function useDraft<Draft extends { labels: LabelDraft }, Field extends string>(
  begin: () => Draft,
  problemsOf: (draft: Draft) => Problems<Field>,
) {
  const [draft, setDraft] = useState(begin);
  const [tried, setTried] = useState(false);
  const change = (changed: Partial<Draft>): void => setDraft((before) => ({ ...before, ...changed }));
  /** From now on what is wrong is shown; the first field that is, or null when nothing is. */
  const check = (): Field | "labels" | null => {
    const labels = settled(draft.labels);
    setTried(true);
    setDraft((before) => ({ ...before, labels }));
    const [first] = Object.keys(problemsOf(draft)) as Field[];
    return first ?? (labels.problem === null ? null : "labels");
  };
  const problems: Problems<Field> = tried ? problemsOf(draft) : {};
  return { draft, change, problems, check };
}

type SheetFormProps = {
  title: string;
  about: string;
  action?: string;
  /** As `useDraft` gives it. */
  check: () => string | null;
  save: { mutate: (input: undefined) => void; isPending: boolean; error: Error | null };
  onClose: () => void;
  children: ReactNode;
};

export function SheetForm({ title, about, action = "Save", check, save, onClose, children }: SheetFormProps) {
  const form = useRef<HTMLFormElement>(null);
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    const first = check();
    if (first === null) save.mutate(undefined);
    else form.current?.querySelector<HTMLElement>(`[name=${first}]`)?.focus();
  };
  return (
    <Dialog side open title={title} about={about} onClose={onClose}>
      <form ref={form} noValidate onSubmit={submit} className="flex min-h-0 flex-1 flex-col">
        <div className="min-h-0 flex-1 space-y-4 overflow-y-auto p-4">
          {children}
          {save.error && (
            <p role="alert" className="rounded-lg bg-bad-tint px-3 py-2 text-bad">
              {save.error.message}
            </p>
          )}
        </div>
        <SheetFoot>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" tone="primary" disabled={save.isPending}>
            {save.isPending ? "Saving…" : action}
          </Button>
        </SheetFoot>
      </form>
    </Dialog>
  );
}
