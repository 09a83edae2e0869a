/** A document as a row of the list. */
import { Link } from "@tanstack/react-router";
import {
  FileText,
  Globe,
  History,
  type LucideIcon,
  MessageCircleQuestion,
  RotateCcw,
  Tag,
  Trash2,
} from "lucide-react";
import { keys } from "../keys";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { Chip, type ChipTone } from "../parts/chip";
import { cx } from "../parts/cx";
import { Menu, MenuItem } from "../parts/menu";
import { age, fullTime } from "../times";
import { useAct, useMayChange } from "./acting";
import { LabelChips } from "./label-editor";
import type { Document, DocumentKind, DocumentStatus } from "./wire";
import { behind, factsOf, KINDS, mayTryAgain, problemText, titleOf } from "./words";

const STATUSES: Record<DocumentStatus, { name: string; tone: ChipTone }> = {
  queued: { name: "Queued", tone: "plain" },
  extracting: { name: "Reading", tone: "accent" },
  indexing: { name: "Indexing", tone: "accent" },
  ready: { name: "Ready", tone: "good" },
  failed: { name: "Failed", tone: "bad" },
};

const ICONS: Record<DocumentKind, LucideIcon> = { file: FileText, page: Globe, faq: MessageCircleQuestion };

/** What one may open beside a document. */
export type DocumentAct = "labels" | "versions" | "delete";

type DocumentRowProps = { document: Document; now: number; onAct: (act: DocumentAct) => void };

export function DocumentRow({ document, now, onAct }: DocumentRowProps) {
  const Icon = ICONS[document.kind];
  return (
    // What is for screen readers only is placed against its row, not against the page.
    <li className="relative border-b border-line px-4 py-3 last:border-b-0">
      <div className="flex items-start gap-3">
        <Icon size={20} strokeWidth={1.5} className="mt-0.5 shrink-0 text-soft" aria-hidden />
        <div className="min-w-0 flex-1">
          <Title document={document} />
          <p className="truncate text-xs text-soft">
            <span className="sr-only">{KINDS[document.kind]}. </span>
            {document.kind === "page" && `${document.name} · `}
            {factsOf(document).join(" · ")}
          </p>
          {document.labels.length > 0 && (
            <div className="mt-1.5">
              <LabelChips labels={document.labels} />
            </div>
          )}
        </div>
        <time
          dateTime={document.updated_at}
          title={fullTime(document.updated_at)}
          className="mt-0.5 hidden text-xs text-soft sm:block"
        >
          {age(Date.parse(document.updated_at), now)}
        </time>
        <StatusChip document={document} />
        <DocumentMenu document={document} onAct={onAct} className="-my-1.5 -mr-2" />
      </div>
      <div className="ml-8">
        <DocumentState document={document} />
      </div>
    </li>
  );
}

export function StatusChip({ document: { status } }: { document: Document }) {
  return <Chip tone={STATUSES[status].tone}>{STATUSES[status].name}</Chip>;
}

type DocumentMenuProps = { document: Document; onAct: (act: DocumentAct) => void; className?: string };

export function DocumentMenu({ document, onAct, className }: DocumentMenuProps) {
  const mayChange = useMayChange();
  return (
    <Menu label={`More about ${titleOf(document)}`} {...(className && { className })}>
      {mayChange && (
        <MenuItem icon={Tag} onSelect={() => onAct("labels")}>
          Edit labels
        </MenuItem>
      )}
      <MenuItem icon={History} onSelect={() => onAct("versions")}>
        Versions
      </MenuItem>
      {mayChange && (
        <MenuItem icon={Trash2} danger onSelect={() => onAct("delete")}>
          Delete
        </MenuItem>
      )}
    </Menu>
  );
}

/** How far the reading is, what went wrong, and which version answers meanwhile. */
export function DocumentState({ document }: { document: Document }) {
  const running = document.status === "extracting" || document.status === "indexing";
  const meanwhile = behind(document);
  return (
    <>
      {running && <Progress value={document.progress} name={titleOf(document)} />}
      {meanwhile && <p className="mt-2 text-xs text-soft">{meanwhile}</p>}
      {document.error && <Trouble document={document} error={document.error} />}
    </>
  );
}

function Title({ document }: { document: Document }) {
  const { slug } = useOrg();
  const title = titleOf(document);
  if (document.passages === 0) return <p className="truncate font-medium">{title}</p>;
  return (
    <Link
      to="/$slug/knowledge/$documentId"
      params={{ slug, documentId: document.id }}
      className="block truncate font-medium hover:text-accent-strong hover:underline"
    >
      {title}
    </Link>
  );
}

function Progress({ value, name }: { value: number; name: string }) {
  const percent = Math.round(Math.min(Math.max(value, 0), 1) * 100);
  return (
    <div className="mt-2 flex items-center gap-3">
      {/* Without a value it says only that something goes on: until the first figure comes. */}
      <progress
        {...(percent > 0 ? { value: percent } : {})}
        max={100}
        aria-label={`Progress of ${name}`}
        className={cx("progress min-w-0 flex-1", percent === 0 && "pulse")}
      />
      <span className="w-9 text-end text-xs text-soft tabular-nums">{percent > 0 && `${percent} %`}</span>
    </div>
  );
}

function Trouble({ document, error }: { document: Document; error: { code: string; message: string } }) {
  const { api, slug } = useOrg();
  const mayChange = useMayChange();
  const stale = [keys.documents(slug), keys.document(slug, document.id)];
  const retry = useAct(() => api.retryDocument(document.id), stale);
  return (
    <div className="mt-2 flex flex-wrap items-center gap-x-3 gap-y-2 rounded-lg bg-bad-tint px-3 py-2 text-bad">
      <p className="min-w-48 flex-1">
        {problemText(error)} <code className="font-mono text-xs">{error.code}</code>
      </p>
      {mayChange && mayTryAgain(error) && (
        <Button disabled={retry.isPending} onClick={() => retry.mutate(undefined)}>
          <RotateCcw size={15} aria-hidden /> Try again
        </Button>
      )}
    </div>
  );
}
