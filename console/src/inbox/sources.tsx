import { Link } from "@tanstack/react-router";
import { BookOpen, ExternalLink, FileText } from "lucide-react";
import { safeUrl } from "@widget/markdown/links";
import { useOrg } from "../org";
import { cx } from "../parts/cx";
import type { Source } from "../wire";

type SourcesProps = { sources: Source[]; open: number | null; onOpen: (n: number | null) => void };

/** Where an answer comes from: a line each, and the quoted words of the one that is open. */
export function Sources({ sources, open, onOpen }: SourcesProps) {
  if (sources.length === 0) return null;
  return (
    <ol aria-label="Sources" className="mt-3 space-y-1 border-t border-line pt-2">
      {sources.map((source) => (
        <li key={source.n}>
          <button
            type="button"
            aria-expanded={open === source.n}
            onClick={() => onOpen(open === source.n ? null : source.n)}
            className="flex min-h-6 w-full items-center gap-2 rounded text-start text-xs text-soft hover:text-ink"
          >
            <FileText size={13} className="shrink-0" aria-hidden />
            <span className="shrink-0 font-semibold">{source.n}</span>
            <span className="min-w-0 truncate">{place(source)}</span>
          </button>
          {open === source.n && <Quote source={source} />}
        </li>
      ))}
    </ol>
  );
}

function Quote({ source }: { source: Source }) {
  const { slug } = useOrg();
  const url = source.url === null ? null : safeUrl(source.url);
  const look = "inline-flex items-center gap-1 text-accent-strong underline underline-offset-2";
  return (
    <div className="mt-1 mb-2 rounded-lg bg-surface px-3 py-2 text-xs">
      <p dir="auto" className="wrap-anywhere">
        “{source.quote}”
      </p>
      <p className={cx("mt-1.5 flex flex-wrap gap-x-4")}>
        <Link
          to="/$slug/knowledge/$documentId"
          params={{ slug, documentId: source.document_id }}
          search={{ passage: source.passage_id }}
          className={look}
        >
          <BookOpen size={12} aria-hidden /> Show in knowledge
        </Link>
        {url !== null && (
          <a href={url} target="_blank" rel="noopener noreferrer" className={look}>
            <ExternalLink size={12} aria-hidden /> Open the page
          </a>
        )}
      </p>
    </div>
  );
}

function place({ title, heading, page }: Source): string {
  return [title, heading, page === null ? null : `page ${page}`].filter(Boolean).join(" · ");
}
