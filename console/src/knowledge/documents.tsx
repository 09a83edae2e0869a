/** The documents: files and web pages, uploading, and what can be done with each. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { FileText, Globe, Tag, Upload as UploadIcon, X } from "lucide-react";
import { type DragEvent, useRef, useState } from "react";
import { keys } from "../keys";
import { useOrg } from "../org";
import { Button, IconButton } from "../parts/button";
import { cx } from "../parts/cx";
import { More } from "../parts/more";
import { useNow } from "../parts/now";
import { Segments } from "../parts/segments";
import { Empty, Failed, Loading } from "../parts/states";
import { useFresh } from "../realtime/subscription";
import { topics } from "../realtime/topics";
import { useMayChange } from "./acting";
import { Beside } from "./beside";
import { type DocumentAct, DocumentRow } from "./document";
import { ENDINGS, FORMATS } from "./files";
import { LabelsDialog } from "./label-editor";
import { audience } from "./labels";
import { documentsQuery } from "./queries";
import { type Upload, useUploads } from "./uploads";
import type { Document, DocumentKind } from "./wire";

const route = getRouteApi("/$slug/knowledge/");

const KINDS: readonly { value: "file" | "page" | null; name: string }[] = [
  { value: null, name: "All" },
  { value: "file", name: "Files" },
  { value: "page", name: "Web pages" },
];

export function DocumentsScreen() {
  const mayChange = useMayChange();
  const { kind = null } = route.useSearch();
  const navigate = route.useNavigate();
  const { uploads, add, again, dismiss } = useUploads();
  const [labels, setLabels] = useState<string[]>([]);
  const [over, setOver] = useState(false);
  const drag = (event: DragEvent, entering: boolean): void => {
    if (!mayChange || !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    setOver(entering);
  };
  const drop = (event: DragEvent): void => {
    drag(event, false);
    if (mayChange) add(event.dataTransfer.files, labels);
  };
  return (
    <section
      aria-label="Documents"
      onDragOver={(event) => drag(event, true)}
      onDragLeave={(event) =>
        event.currentTarget.contains(event.relatedTarget as Node | null) || setOver(false)
      }
      onDrop={drop}
      className="relative h-full"
    >
      <div className="h-full overflow-y-auto">
        <div className="mx-auto max-w-5xl px-4 pb-6 md:px-6">
          <header className="flex flex-wrap items-center gap-x-3 gap-y-2 pt-4 pb-3">
            <p className="min-w-60 flex-1 text-soft">
              The bot answers from these documents and the questions and answers, and from nothing else.
            </p>
            {mayChange && (
              <Uploading labels={labels} onLabels={setLabels} onFiles={(files) => add(files, labels)} />
            )}
          </header>
          <div className="pb-2">
            <Segments
              label="Kind of document"
              value={kind}
              options={KINDS}
              onChange={(next) =>
                void navigate({ search: next === null ? {} : { kind: next }, replace: true })
              }
            />
          </div>
          <ul aria-label="Uploads">
            {uploads.map((upload) => (
              <UploadRow
                key={upload.id}
                upload={upload}
                onAgain={() => again(upload)}
                onDismiss={() => dismiss(upload.id)}
              />
            ))}
          </ul>
          <DocumentList kind={kind} />
        </div>
      </div>
      {over && (
        <div className="pointer-events-none absolute inset-3 flex items-center justify-center rounded-2xl border-2 border-dashed border-accent bg-accent-tint/90 text-base font-semibold text-accent-strong">
          Drop the files to upload them
        </div>
      )}
    </section>
  );
}

type UploadingProps = {
  labels: string[];
  onLabels: (labels: string[]) => void;
  onFiles: (files: Iterable<File>) => void;
};

function Uploading({ labels, onLabels, onFiles }: UploadingProps) {
  const picker = useRef<HTMLInputElement>(null);
  const [labelling, setLabelling] = useState(false);
  const given = labels.length > 0;
  return (
    <div className="flex min-w-0 flex-wrap items-center gap-2">
      <Button tone={given ? "plain" : "quiet"} className="max-w-64" onClick={() => setLabelling(true)}>
        <Tag size={15} aria-hidden className="shrink-0" />
        <span className="truncate">{given ? `New files: ${labels.join(", ")}` : "Label new files"}</span>
      </Button>
      <Button tone="primary" onClick={() => picker.current?.click()}>
        <UploadIcon size={16} aria-hidden /> Upload files
      </Button>
      <input
        ref={picker}
        type="file"
        multiple
        hidden
        accept={ENDINGS}
        aria-label="Files to upload"
        onChange={({ target }) => {
          onFiles(target.files ?? []);
          target.value = ""; // the same file may be chosen again
        }}
      />
      {labelling && (
        <LabelsDialog
          title="Labels of the next files"
          labels={labels}
          action="Use these labels"
          hint={(next) => audience(next, "answered from the files that you upload next")}
          saving={false}
          onSave={(next) => {
            onLabels(next);
            setLabelling(false);
          }}
          onClose={() => setLabelling(false)}
        />
      )}
    </div>
  );
}

type UploadRowProps = { upload: Upload; onAgain: () => void; onDismiss: () => void };

function UploadRow({ upload, onAgain, onDismiss }: UploadRowProps) {
  const failed = upload.state === "failed";
  return (
    <li
      role={failed ? "alert" : "status"}
      className={cx(
        "mb-2 flex items-center gap-3 rounded-xl px-4 py-2",
        failed ? "bg-bad-tint text-bad" : "bg-sunken text-soft",
      )}
    >
      <p className="min-w-0 flex-1 wrap-anywhere">
        <span className="block font-semibold">{upload.file.name}</span>
        {failed ? upload.problem : upload.state === "sending" ? "Uploading…" : "Comes next"}
      </p>
      {failed && upload.mayRetry && <Button onClick={onAgain}>Try again</Button>}
      {failed && (
        <IconButton label="Dismiss" onClick={onDismiss}>
          <X size={16} aria-hidden />
        </IconButton>
      )}
    </li>
  );
}

type Opened = { document: Document; act: DocumentAct };

function DocumentList({ kind }: { kind: DocumentKind | null }) {
  const org = useOrg();
  const now = useNow();
  const [opened, setOpened] = useState<Opened | null>(null);
  useFresh(topics.knowledge(org.me.org.id), keys.documents(org.slug));
  const list = useInfiniteQuery(documentsQuery(org, kind));
  if (!list.data) {
    if (list.error) return <Failed error={list.error} onRetry={() => void list.refetch()} />;
    return <Loading label="Loading documents" />;
  }
  const documents = list.data.pages.flatMap((page) => page.items);
  return (
    <>
      {documents.length === 0 ? (
        <Nothing kind={kind} />
      ) : (
        <ul className="overflow-hidden rounded-2xl border border-line bg-surface shadow-raised">
          {documents.map((document) => (
            <DocumentRow
              key={document.id}
              document={document}
              now={now}
              onAct={(act) => setOpened({ document, act })}
            />
          ))}
        </ul>
      )}
      <More list={list} />
      {opened && (
        <Beside
          document={documents.find(({ id }) => id === opened.document.id) ?? opened.document}
          act={opened.act}
          onClose={() => setOpened(null)}
        />
      )}
    </>
  );
}

function Nothing({ kind }: { kind: DocumentKind | null }) {
  const mayChange = useMayChange();
  if (kind === "page") {
    return (
      <div className="h-72">
        <Empty icon={Globe} title="No web pages yet">
          {mayChange
            ? "Add a website under “Websites”: its pages come here."
            : "An administrator can add a website."}
        </Empty>
      </div>
    );
  }
  return (
    <div className="h-72">
      <Empty icon={FileText} title="No documents yet">
        {mayChange
          ? `Drop files here, or choose them with the button above: ${FORMATS}.`
          : "An administrator can upload some."}
      </Empty>
    </div>
  );
}
