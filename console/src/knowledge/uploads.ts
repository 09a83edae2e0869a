import { useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import { ApiError } from "../api";
import { keys } from "../keys";
import { useOrg } from "../org";
import { problemWith } from "./files";

/** A file on its way; one that arrived is in the list of documents instead. */
export type Upload = {
  id: string;
  file: File;
  labels: string[];
  state: "queued" | "sending" | "failed";
  problem: string | null;
  /** Whether the same file may succeed when sent again. */
  mayRetry: boolean;
};

type Uploads = {
  uploads: Upload[];
  add: (files: Iterable<File>, labels: string[]) => void;
  again: (upload: Upload) => void;
  dismiss: (id: string) => void;
};

/** Sends files one after the other; each fails by itself. */
export function useUploads(): Uploads {
  const { api, slug } = useOrg();
  const client = useQueryClient();
  const [uploads, setUploads] = useState<Upload[]>([]);
  const line = useRef(Promise.resolve());
  const change = (id: string, changed: Partial<Upload>): void =>
    setUploads((all) => all.map((each) => (each.id === id ? { ...each, ...changed } : each)));
  const dismiss = (id: string): void => setUploads((all) => all.filter((each) => each.id !== id));
  const send = async ({ id, file, labels }: Upload): Promise<void> => {
    change(id, { state: "sending" });
    try {
      await api.upload({ file, labels });
      await client.invalidateQueries({ queryKey: keys.documents(slug) });
      dismiss(id);
    } catch (error) {
      const problem = error instanceof Error ? error.message : "The upload failed.";
      const mayRetry = error instanceof ApiError && (error.status === 0 || error.status >= 500);
      change(id, { state: "failed", problem, mayRetry });
    }
  };
  const enqueue = (upload: Upload): void => {
    line.current = line.current.then(() => send(upload));
  };
  const again = (upload: Upload): void => {
    change(upload.id, { state: "queued", problem: null });
    enqueue(upload);
  };
  const add = (files: Iterable<File>, labels: string[]): void => {
    for (const file of files) {
      const problem = problemWith(file);
      const state = problem === null ? "queued" : "failed";
      const upload: Upload = { id: crypto.randomUUID(), file, labels, state, problem, mayRetry: false };
      setUploads((all) => [...all, upload]);
      if (problem === null) enqueue(upload);
    }
  };
  return { uploads, add, again, dismiss };
}
