/** What the bot knows: documents on one side, a question to try on the other. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { Outlet } from "@tanstack/react-router";
import { FileText, Upload as UploadIcon, X } from "lucide-react";
import { type DragEvent, useRef, useState } from "react";
import { keys } from "../keys";
import { topics } from "../live";
import { useOrg, useRealtimeSubscription } from "../org";
import { Button, IconButton } from "../parts/button";
import { cx } from "../parts/cx";
import { useNow } from "../parts/now";
import { Empty, Failed, Loading } from "../parts/states";
import { documentsQuery } from "../queries";
import { DocumentRow } from "./document";
import { ENDINGS } from "./files";
import { Trial } from "./trial";
import { type Upload, useUploads } from "./uploads";

type Side = "documents" | "trial";

export function KnowledgeScreen() {
  const [side, setSide] = useState<Side>("documents");
  return (
    <div className="flex h-full flex-col lg:flex-row">
      <div
        role="group"
        aria-label="Show"
        className="flex gap-1 border-b border-line bg-surface px-4 pt-3 pb-2.5 lg:hidden"
      >
        <SideButton on={side === "documents"} onClick={() => setSide("documents")} name="Documents" />
        <SideButton on={side === "trial"} onClick={() => setSide("trial")} name="Try a question" />
      </div>
      <div className={cx("min-h-0 min-w-0 flex-1 lg:block", side === "documents" ? "block" : "hidden")}>
        <Documents />
      </div>
      <div
        className={cx(
          "min-h-0 flex-1 overflow-y-auto border-line bg-surface lg:block lg:w-104 lg:flex-none lg:border-l",
          side === "trial" ? "block" : "hidden",
        )}
      >
        <Trial />
      </div>
      <Outlet />
    </div>
  );
}

function SideButton({ name, on, onClick }: { name: string; on: boolean; onClick: () => void }) {
  return (
    <button
      type="button"
      aria-pressed={on}
      onClick={onClick}
      className={cx(
        "h-8 rounded-lg px-3 font-medium",
        on ? "bg-accent-tint text-accent-strong" : "text-soft",
      )}
    >
      {name}
    </button>
  );
}

function Documents() {
  const org = useOrg();
  const mayChange = org.me.staff.role !== "agent";
  const { uploads, add, again, dismiss } = useUploads();
  const [over, setOver] = useState(false);
  const picker = useRef<HTMLInputElement>(null);
  const drag = (event: DragEvent, entering: boolean): void => {
    if (!mayChange || !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    setOver(entering);
  };
  const drop = (event: DragEvent): void => {
    drag(event, false);
    if (mayChange) add(event.dataTransfer.files);
  };
  return (
    <section
      aria-label="Documents"
      onDragOver={(event) => drag(event, true)}
      onDragLeave={(event) =>
        event.currentTarget.contains(event.relatedTarget as Node | null) || setOver(false)
      }
      onDrop={drop}
      className="relative h-full overflow-y-auto"
    >
      <header className="flex flex-wrap items-center gap-3 px-4 pt-4 pb-3 md:px-6">
        <div className="min-w-0 flex-1">
          <h2 className="text-lg font-semibold">Knowledge</h2>
          <p className="text-soft">The bot answers from these documents and from nothing else.</p>
        </div>
        {mayChange && (
          <Button tone="primary" onClick={() => picker.current?.click()}>
            <UploadIcon size={16} aria-hidden /> Upload files
          </Button>
        )}
        <input
          ref={picker}
          type="file"
          multiple
          hidden
          accept={ENDINGS}
          aria-label="Files to upload"
          onChange={({ target }) => {
            add(target.files ?? []);
            target.value = ""; // the same file may be chosen again
          }}
        />
      </header>
      <ul aria-label="Uploads" className="px-4 md:px-6">
        {uploads.map((upload) => (
          <UploadRow
            key={upload.id}
            upload={upload}
            onAgain={() => again(upload)}
            onDismiss={() => dismiss(upload.id)}
          />
        ))}
      </ul>
      <DocumentList mayChange={mayChange} />
      {over && (
        <div className="pointer-events-none absolute inset-3 flex items-center justify-center rounded-2xl border-2 border-dashed border-accent bg-accent-tint/90 text-base font-semibold text-accent-strong">
          Drop the files to upload them
        </div>
      )}
    </section>
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

function DocumentList({ mayChange }: { mayChange: boolean }) {
  const org = useOrg();
  const now = useNow();
  useRealtimeSubscription(topics.knowledge(org.me.org.id), keys.documents(org.slug));
  const list = useInfiniteQuery(documentsQuery(org));
  if (!list.data) {
    if (list.error) return <Failed error={list.error} onRetry={() => void list.refetch()} />;
    return <Loading label="Loading documents" />;
  }
  const documents = list.data.pages.flatMap((page) => page.items);
  if (documents.length === 0) {
    return (
      <div className="h-72">
        <Empty icon={FileText} title="No documents yet">
          {mayChange
            ? "Drop files here, or choose them with the button above."
            : "An administrator can upload some."}
        </Empty>
      </div>
    );
  }
  return (
    <div className="px-4 pb-6 md:px-6">
      <ul className="overflow-hidden rounded-2xl border border-line bg-surface shadow-raised">
        {documents.map((document) => (
          <DocumentRow key={document.id} document={document} mayChange={mayChange} now={now} />
        ))}
      </ul>
      {list.hasNextPage && (
        <div className="pt-3 text-center">
          <Button disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            {list.isFetchingNextPage ? "Loading…" : "Show more"}
          </Button>
        </div>
      )}
    </div>
  );
}
