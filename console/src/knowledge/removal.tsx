import { Ask, Dialog } from "../parts/dialog";
import { Button } from "../parts/button";
import { keys } from "../keys";
import { useOrg } from "../org";
import { useAct } from "./acting";
import type { Document } from "./wire";
import { list, removedParts, titleOf } from "./words";

type RemovalProps = { document: Document; onClose: (removed: boolean) => void };

/** Asks before a document is deleted; afterwards it says what went with it. */
export function Removal({ document, onClose }: RemovalProps) {
  const { api, slug } = useOrg();
  const stale = [keys.documents(slug), keys.labels(slug), keys.trials(slug)];
  const remove = useAct(() => api.removeDocument(document.id), stale, { quiet: true });
  if (remove.data) {
    return (
      <Dialog open title={`“${titleOf(document)}” was deleted`} onClose={() => onClose(true)}>
        <p>Removed with it: {list(removedParts(remove.data))}.</p>
        <p className="mt-2 text-soft">Answers that were given keep the passages they quoted.</p>
        <div className="mt-5 flex justify-end">
          <Button tone="primary" autoFocus onClick={() => onClose(true)}>
            Done
          </Button>
        </div>
      </Dialog>
    );
  }
  return (
    <Ask
      title={`Delete “${titleOf(document)}”?`}
      about={
        document.kind === "page"
          ? "The bot stops answering from it at once. A website that is read regularly brings it back."
          : "The bot stops answering from it at once. This cannot be undone; you can upload the file again."
      }
      action={remove.isPending ? "Deleting…" : "Delete document"}
      danger
      busy={remove.isPending}
      problem={remove.error?.message ?? null}
      onClose={() => onClose(false)}
      onConfirm={() => remove.mutate(undefined)}
    />
  );
}
