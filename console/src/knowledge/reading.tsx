/** A document: what was understood of it, passage by passage, and what can be done about it. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, Link, useNavigate } from "@tanstack/react-router";
import { ChevronLeft, ExternalLink, History, Pencil, Tag } from "lucide-react";
import { useEffect, useState } from "react";
import { keys } from "../keys";
import { useOrg } from "../org";
import { Button, buttonClass } from "../parts/button";
import { Chip } from "../parts/chip";
import { More } from "../parts/more";
import { Failed, Loading } from "../parts/states";
import { useFresh } from "../realtime/subscription";
import { topics } from "../realtime/topics";
import { fullTime } from "../times";
import { useMayChange } from "./acting";
import { Beside } from "./beside";
import { type DocumentAct, DocumentMenu, DocumentState, StatusChip } from "./document";
import { LabelChips } from "./label-editor";
import { audience } from "./labels";
import { PassageCard } from "./passage";
import { documentQuery, passagesQuery } from "./queries";
import { WaitingOverrides } from "./waiting";
import type { Document } from "./wire";
import { factsOf, KINDS, titleOf } from "./words";

const route = getRouteApi("/$slug/knowledge/$documentId");

export function DocumentScreen() {
  const org = useOrg();
  const { documentId } = route.useParams();
  const { data: document, error, refetch } = useQuery(documentQuery(org, documentId));
  useFresh(topics.knowledge(org.me.org.id), keys.document(org.slug, documentId));
  return (
    <section aria-label="Document" className="h-full overflow-y-auto">
      <div className="mx-auto max-w-4xl px-4 pb-8 md:px-6">
        <Link
          to="/$slug/knowledge"
          params={{ slug: org.slug }}
          className="inline-flex items-center gap-1 py-3 font-medium text-accent-strong hover:underline"
        >
          <ChevronLeft size={16} aria-hidden /> Documents
        </Link>
        {document && <Head key={document.id} document={document} />}
        {document && <Passages key={`passages of ${documentId}`} document={document} />}
        {!document &&
          (error ? (
            <Failed error={error} onRetry={() => void refetch()} />
          ) : (
            <Loading label="Loading the document" />
          ))}
      </div>
    </section>
  );
}

function Head({ document }: { document: Document }) {
  const { slug } = useOrg();
  const navigate = useNavigate();
  const mayChange = useMayChange();
  const [act, setAct] = useState<DocumentAct | null>(null);
  const byHand = document.kind === "faq"; // changed in its own form, as a whole
  return (
    <header className="mb-4 rounded-2xl border border-line bg-surface p-4 shadow-raised">
      <div className="flex items-start gap-3">
        <div className="min-w-0 flex-1">
          <h2 className="text-lg font-semibold wrap-anywhere">{titleOf(document)}</h2>
          <p className="text-soft">
            {factsOf(document).join(" · ")} · changed {fullTime(document.updated_at)}
          </p>
          {document.url && (
            <a
              href={document.url}
              target="_blank"
              rel="noopener noreferrer"
              className="mt-0.5 inline-flex max-w-full items-center gap-1.5 text-accent-strong hover:underline"
            >
              <span className="truncate">{document.url}</span>
              <ExternalLink size={14} aria-hidden className="shrink-0" />
            </a>
          )}
        </div>
        {!byHand && <DocumentMenu document={document} onAct={setAct} className="-mt-1 -mr-2" />}
      </div>
      <div className="mt-2 flex flex-wrap items-center gap-2">
        <Chip>{KINDS[document.kind]}</Chip>
        <StatusChip document={document} />
        <LabelChips labels={document.labels} />
        <span className="text-xs text-soft">{audience(document.labels)}</span>
      </div>
      <DocumentState document={document} />
      <div className="mt-3 flex flex-wrap gap-2">
        {byHand && (
          <Link
            to="/$slug/knowledge/faqs"
            params={{ slug }}
            search={{ q: document.name }}
            className={buttonClass()}
          >
            <Pencil size={15} aria-hidden /> Show among the questions and answers
          </Link>
        )}
        {mayChange && !byHand && (
          <Button onClick={() => setAct("labels")}>
            <Tag size={15} aria-hidden /> Edit labels
          </Button>
        )}
        {!byHand && (
          <Button onClick={() => setAct("versions")}>
            <History size={15} aria-hidden /> Versions
          </Button>
        )}
      </div>
      {act && (
        <Beside
          document={document}
          act={act}
          onClose={() => setAct(null)}
          onRemoved={() => void navigate({ to: "/$slug/knowledge", params: { slug } })}
        />
      )}
    </header>
  );
}

function Passages({ document }: { document: Document }) {
  const org = useOrg();
  const { passage: wanted } = route.useSearch();
  const list = useInfiniteQuery(passagesQuery(org, document.id, document.live_version));
  const { hasNextPage, isFetching, fetchNextPage } = list;
  const passages = list.data?.pages.flatMap((page) => page.items) ?? [];
  const found = wanted === undefined || passages.some(({ id }) => id === wanted);
  useEffect(() => {
    // The passage one came for may stand on a later page.
    if (!found && hasNextPage && !isFetching) void fetchNextPage();
  }, [found, hasNextPage, isFetching, fetchNextPage]);
  if (!list.data) {
    if (list.error) return <Failed error={list.error} onRetry={() => void list.refetch()} />;
    return <Loading label="Loading passages" />;
  }
  return (
    <>
      <WaitingOverrides documentId={document.id} />
      {!found && !hasNextPage && (
        <p className="mb-3 rounded-lg bg-warn-tint px-3 py-2 text-warn">
          The passage is no longer in this document: a newer version has replaced it.
        </p>
      )}
      {passages.length === 0 && <p className="text-soft">Nothing was understood of it yet.</p>}
      <ol aria-label="Passages" className="space-y-3">
        {passages.map((passage) => (
          <PassageCard key={passage.id} passage={passage} wanted={passage.id === wanted} />
        ))}
      </ol>
      <More list={list} />
    </>
  );
}
