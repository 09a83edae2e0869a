import { useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { FileText, RotateCcw, Trash2 } from "lucide-react";
import { useState } from "react";
import { keys } from "../keys";
import { useOrg } from "../org";
import { Button, IconButton } from "../parts/button";
import { Chip, type ChipTone } from "../parts/chip";
import { cx } from "../parts/cx";
import { Confirm } from "../parts/dialog";
import { notify } from "../parts/notices";
import { age, bytes, fullTime } from "../times";
import type { Document, DocumentStatus } from "../wire";

const STATUSES: Record<DocumentStatus, { name: string; tone: ChipTone }> = {
  queued: { name: "Queued", tone: "plain" },
  extracting: { name: "Reading", tone: "accent" },
  indexing: { name: "Indexing", tone: "accent" },
  ready: { name: "Ready", tone: "good" },
  failed: { name: "Failed", tone: "bad" },
};

type DocumentRowProps = { document: Document; mayChange: boolean; now: number };

export function DocumentRow({ document, mayChange, now }: DocumentRowProps) {
  const { api, slug } = useOrg();
  const client = useQueryClient();
  const [removing, setRemoving] = useState(false);
  const after = {
    onSuccess: () => client.invalidateQueries({ queryKey: keys.documents(slug) }),
    onError: (error: Error) => notify(error.message, { bad: true }),
  };
  const retry = useMutation({ mutationFn: () => api.retryDocument(document.id), ...after });
  const remove = useMutation({ mutationFn: () => api.removeDocument(document.id), ...after });
  const { name, tone } = STATUSES[document.status];
  const running = document.status === "extracting" || document.status === "indexing";
  return (
    <li className="border-b border-line px-4 py-3 last:border-b-0">
      <div className="flex items-center gap-3">
        <FileText size={20} strokeWidth={1.5} className="shrink-0 text-soft" aria-hidden />
        <div className="min-w-0 flex-1">
          <Title document={document} />
          <p className="truncate text-xs text-soft">{facts(document).join(" · ")}</p>
        </div>
        <time
          dateTime={document.updated_at}
          title={fullTime(document.updated_at)}
          className="hidden text-xs text-soft sm:block"
        >
          {age(Date.parse(document.updated_at), now)}
        </time>
        <Chip tone={tone}>{name}</Chip>
        {mayChange && (
          <IconButton
            label={`Delete ${document.name}`}
            className="-mr-2"
            disabled={remove.isPending}
            onClick={() => setRemoving(true)}
          >
            <Trash2 size={16} aria-hidden />
          </IconButton>
        )}
      </div>
      {running && <Progress value={document.progress} name={document.name} />}
      {document.error && (
        <div className="mt-2 ml-8 flex flex-wrap items-center gap-x-3 gap-y-2 rounded-lg bg-bad-tint px-3 py-2 text-bad">
          <p className="min-w-48 flex-1">
            {document.error.message} <code className="font-mono text-xs">{document.error.code}</code>
          </p>
          {mayChange && (
            <Button disabled={retry.isPending} onClick={() => retry.mutate()}>
              <RotateCcw size={15} aria-hidden /> Try again
            </Button>
          )}
        </div>
      )}
      <Confirm
        title={`Delete “${document.name}”?`}
        about="The bot stops answering from it at once. This cannot be undone; you can upload the file again."
        action="Delete document"
        danger
        open={removing}
        onClose={() => setRemoving(false)}
        onConfirm={() => remove.mutate()}
      />
    </li>
  );
}

function Title({ document }: { document: Document }) {
  const { slug } = useOrg();
  if (document.passages === 0) return <p className="truncate font-medium">{document.name}</p>;
  return (
    <Link
      to="/$slug/knowledge/$documentId"
      params={{ slug, documentId: document.id }}
      className="block truncate font-medium hover:text-accent-strong hover:underline"
    >
      {document.name}
    </Link>
  );
}

function Progress({ value, name }: { value: number; name: string }) {
  const percent = Math.round(Math.min(Math.max(value, 0), 1) * 100);
  return (
    <div className="mt-2 ml-8 flex items-center gap-3">
      {/* Without a value it says only that something goes on: until the first figure comes. */}
      <progress
        {...(percent > 0 ? { value: percent } : {})}
        max={100}
        aria-label={`Progress of ${name}`}
        className={cx("progress flex-1", percent === 0 && "pulse")}
      />
      <span className="w-9 text-end text-xs text-soft tabular-nums">{percent > 0 && `${percent} %`}</span>
    </div>
  );
}

function facts({ size_bytes, pages, passages, version }: Document): string[] {
  const counted = (n: number, one: string): string => `${n} ${one}${n === 1 ? "" : "s"}`;
  return [
    bytes(size_bytes),
    ...(pages === null ? [] : [counted(pages, "page")]),
    ...(passages === 0 ? [] : [counted(passages, "passage")]),
    ...(version > 1 ? [`version ${version}`] : []),
  ];
}
