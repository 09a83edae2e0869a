/** How an import goes on: a file is tried first, and only what was tried is imported. Pure. */
import type { ImportOutcome, ImportReport, ImportRow } from "./wire";

export const TABLE_BYTES_MAX = 5 * 1024 * 1024;

export type Importing =
  | { step: "choosing"; problem: string | null }
  | { step: "checking"; file: File }
  | { step: "checked"; file: File; report: ImportReport; problem: string | null }
  | { step: "writing"; file: File; report: ImportReport }
  | { step: "done"; report: ImportReport };

export type ImportEvent =
  | { type: "chosen"; file: File }
  | { type: "reported"; report: ImportReport }
  | { type: "refused"; message: string }
  | { type: "confirmed" }
  | { type: "again" };

export const BEGIN: Importing = { step: "choosing", problem: null };

/** An event that does not fit the step changes nothing: a late reply, a second click. */
export function imported(state: Importing, event: ImportEvent): Importing {
  switch (event.type) {
    case "chosen":
      return chosen(state, event.file);
    case "reported":
      if (state.step === "checking") {
        return { step: "checked", file: state.file, report: event.report, problem: null };
      }
      return state.step === "writing" ? { step: "done", report: event.report } : state;
    case "refused":
      if (state.step === "checking") return { step: "choosing", problem: event.message };
      return state.step === "writing" ? { ...state, step: "checked", problem: event.message } : state;
    case "confirmed":
      if (state.step !== "checked" || changes(state.report) === 0) return state;
      return { step: "writing", file: state.file, report: state.report };
    case "again":
      return state.step === "checking" || state.step === "writing" ? state : BEGIN;
  }
}

function chosen(state: Importing, file: File): Importing {
  if (state.step !== "choosing") return state;
  if (file.size === 0) return { step: "choosing", problem: "The file is empty." };
  if (file.size > TABLE_BYTES_MAX) {
    return { step: "choosing", problem: "The file has more than 5 MB. Split it." };
  }
  return { step: "checking", file };
}

/** How many questions an import adds or changes. */
export function changes({ added, changed }: ImportReport): number {
  return added + changed;
}

export function rowsWith(rows: readonly ImportRow[], outcome: ImportOutcome | null): ImportRow[] {
  return rows.filter((row) => outcome === null || row.outcome === outcome);
}
