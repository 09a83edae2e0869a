/** Questions from a table: a file is chosen, tried, read row by row, and then imported. */
import { useQueryClient } from "@tanstack/react-query";
import { FileSpreadsheet } from "lucide-react";
import { type ReactNode, useReducer, useRef, useState } from "react";
import { keys } from "../keys";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { Chip, type ChipTone } from "../parts/chip";
import { Dialog, SheetBody, SheetFoot } from "../parts/dialog";
import { Segments } from "../parts/segments";
import { Loading } from "../parts/states";
import { BEGIN, changes, imported, type Importing, type ImportEvent, rowsWith } from "./importing";
import type { ImportOutcome, ImportReport } from "./wire";
import { counted } from "./words";

const ROWS_SHOWN = 200;

/** What an import would do, and what it did. */
const OUTCOMES: Record<ImportOutcome, { would: string; did: string; tone: ChipTone }> = {
  added: { would: "New", did: "Added", tone: "good" },
  changed: { would: "Changes", did: "Changed", tone: "accent" },
  unchanged: { would: "As it is", did: "As it was", tone: "plain" },
  failed: { would: "Fails", did: "Failed", tone: "bad" },
};
const ORDER: readonly ImportOutcome[] = ["added", "changed", "unchanged", "failed"];

export function FaqImport({ onClose }: { onClose: () => void }) {
  const { api, slug } = useOrg();
  const client = useQueryClient();
  const [state, dispatch] = useReducer(imported, BEGIN);
  const send = async (file: File, dry_run: boolean): Promise<void> => {
    try {
      dispatch({ type: "reported", report: await api.importFaqs(file, dry_run) });
      if (!dry_run) void client.invalidateQueries({ queryKey: keys.faqs(slug) });
    } catch (error) {
      dispatch({ type: "refused", message: error instanceof Error ? error.message : "The import failed." });
    }
  };
  const act = (event: ImportEvent): void => {
    const next = imported(state, event);
    dispatch(event);
    if (next.step === "checking" && next !== state) void send(next.file, true);
    if (next.step === "writing" && next !== state) void send(next.file, false);
  };
  const file = "file" in state ? state.file.name : undefined;
  return (
    <Dialog
      side
      open
      title="Import questions"
      about={file ?? "From a table with one question on each row"}
      onClose={onClose}
    >
      <SheetBody>
        <Step state={state} act={act} />
      </SheetBody>
      <Foot state={state} act={act} onClose={onClose} />
    </Dialog>
  );
}

type StepProps = { state: Importing; act: (event: ImportEvent) => void };

function Step({ state, act }: StepProps) {
  switch (state.step) {
    case "choosing":
      return <Choosing problem={state.problem} onFile={(file) => act({ type: "chosen", file })} />;
    case "checking":
      return (
        <>
          <p className="mb-2 text-soft">Trying the table; nothing is changed yet.</p>
          <Loading label="Trying the table" rows={4} />
        </>
      );
    case "checked":
    case "writing":
      return (
        <Report report={state.report}>
          {state.step === "checked" && state.problem !== null && <Problem text={state.problem} />}
          <p role="status" className="mb-3">
            {state.step === "writing"
              ? "Importing…"
              : "Nothing is changed yet. This is what an import would do:"}
          </p>
        </Report>
      );
    case "done":
      return (
        <Report report={state.report}>
          <p role="status" className="mb-3 font-medium">
            {counted(changes(state.report), "question was imported", "questions were imported")}.
          </p>
        </Report>
      );
  }
}

function Foot({ state, act, onClose }: StepProps & { onClose: () => void }) {
  if (state.step === "done") {
    return (
      <SheetFoot>
        <Button tone="primary" onClick={onClose}>
          Done
        </Button>
      </SheetFoot>
    );
  }
  const busy = state.step === "checking" || state.step === "writing";
  const count = state.step === "checked" || state.step === "writing" ? changes(state.report) : 0;
  return (
    <SheetFoot>
      {state.step === "checked" && (
        <Button tone="quiet" className="mr-auto" onClick={() => act({ type: "again" })}>
          Another file
        </Button>
      )}
      <Button onClick={onClose}>Cancel</Button>
      <Button tone="primary" disabled={busy || count === 0} onClick={() => act({ type: "confirmed" })}>
        {count === 0 ? "Import" : `Import ${counted(count, "question")}`}
      </Button>
    </SheetFoot>
  );
}

function Choosing({ problem, onFile }: { problem: string | null; onFile: (file: File) => void }) {
  const picker = useRef<HTMLInputElement>(null);
  return (
    <>
      {problem !== null && <Problem text={problem} />}
      <p>
        The first row names the columns. <b>question</b> and <b>answer</b> are needed; <b>variants</b> (parted
        by <code className="font-mono">|</code>), <b>url</b>, <b>labels</b>, <b>word_for_word</b> and{" "}
        <b>enabled</b> may be there. A question that exists already is changed.
      </p>
      <Button tone="primary" className="mt-4" onClick={() => picker.current?.click()}>
        <FileSpreadsheet size={16} aria-hidden /> Choose a CSV file
      </Button>
      <input
        ref={picker}
        type="file"
        hidden
        accept=".csv,.tsv,.txt"
        aria-label="Table to import"
        onChange={({ target }) => {
          const file = target.files?.[0];
          target.value = ""; // the same file may be chosen again
          if (file) onFile(file);
        }}
      />
    </>
  );
}

function Problem({ text }: { text: string }) {
  return (
    <p role="alert" className="mb-3 rounded-lg bg-bad-tint px-3 py-2 text-bad">
      {text}
    </p>
  );
}

function Report({ report, children }: { report: ImportReport; children: ReactNode }) {
  const [outcome, setOutcome] = useState<ImportOutcome | null>(null);
  const named = (each: ImportOutcome): string => (report.dry_run ? OUTCOMES[each].would : OUTCOMES[each].did);
  const rows = rowsWith(report.rows, outcome);
  const kinds = ORDER.filter((each) => report[each] > 0);
  return (
    <>
      {children}
      <Segments
        label="Rows"
        value={outcome}
        onChange={setOutcome}
        options={[
          { value: null, name: `All ${report.rows.length}` },
          ...kinds.map((value) => ({ value, name: `${named(value)} ${report[value]}` })),
        ]}
      />
      <table className="mt-2 w-full table-fixed text-left">
        <thead className="text-xs text-soft">
          <tr>
            <th className="w-12 py-1.5 font-medium">Row</th>
            <th className="py-1.5 font-medium">Question</th>
            <th className="w-24 py-1.5 text-right font-medium">Outcome</th>
          </tr>
        </thead>
        <tbody>
          {rows.slice(0, ROWS_SHOWN).map((row) => (
            <tr key={row.row} className="border-t border-line align-top">
              <td className="py-2 text-soft tabular-nums">{row.row}</td>
              <td className="py-2 pr-2 wrap-anywhere">
                <span dir="auto">{row.question || "(empty)"}</span>
                {row.message !== null && <span className="mt-0.5 block text-bad">{row.message}</span>}
              </td>
              <td className="py-2 text-right">
                <Chip tone={OUTCOMES[row.outcome].tone}>{named(row.outcome)}</Chip>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > ROWS_SHOWN && (
        <p className="border-t border-line pt-2 text-soft">
          And {counted(rows.length - ROWS_SHOWN, "more row")}. What fails has its own list above.
        </p>
      )}
    </>
  );
}
