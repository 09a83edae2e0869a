/** What opens beside a document: its labels, its versions, the question whether to delete it. */
import { keys } from "../keys";
import { useOrg } from "../org";
import { notify } from "../parts/notices";
import { useAct } from "./acting";
import type { DocumentAct } from "./document";
import { LabelsDialog } from "./label-editor";
import { Removal } from "./removal";
import { VersionsSheet } from "./versions";
import type { Document } from "./wire";
import { titleOf } from "./words";

type BesideProps = { document: Document; act: DocumentAct; onClose: () => void; onRemoved?: () => void };

export function Beside({ document, act, onClose, onRemoved = onClose }: BesideProps) {
  switch (act) {
    case "labels":
      return <DocumentLabels document={document} onClose={onClose} />;
    case "versions":
      return <VersionsSheet document={document} onClose={onClose} />;
    case "delete":
      return <Removal document={document} onClose={(removed) => (removed ? onRemoved() : onClose())} />;
  }
}

function DocumentLabels({ document, onClose }: { document: Document; onClose: () => void }) {
  const { api, slug } = useOrg();
  const stale = [
    keys.documents(slug),
    keys.document(slug, document.id),
    keys.labels(slug),
    keys.trials(slug),
  ];
  const save = useAct((labels: string[]) => api.labelDocument(document.id, labels), stale, {
    onDone: () => {
      notify(`The labels of “${titleOf(document)}” were saved.`);
      onClose();
    },
  });
  return (
    <LabelsDialog
      title={`Labels of “${titleOf(document)}”`}
      labels={document.labels}
      saving={save.isPending}
      onSave={(labels) => save.mutate(labels)}
      onClose={onClose}
    />
  );
}
