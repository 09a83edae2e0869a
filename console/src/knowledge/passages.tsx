/** What was understood of a document, passage by passage. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { getRouteApi, useNavigate } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { cx } from "../parts/cx";
import { Dialog } from "../parts/dialog";
import { Failed, Loading } from "../parts/states";
import { documentQuery, passagesQuery } from "../queries";
import type { Document, Passage } from "../wire";

const route = getRouteApi("/$slug/knowledge/$documentId");

export function PassagesSheet() {
  const org = useOrg();
  const { documentId } = route.useParams();
  const navigate = useNavigate();
  const { data: document, error, refetch } = useQuery(documentQuery(org, documentId));
  return (
    <Dialog
      side
      open
      title={document?.name ?? "Document"}
      about="What the bot reads of it, passage by passage"
      onClose={() => void navigate({ to: "/$slug/knowledge", params: { slug: org.slug } })}
    >
      <div className="min-h-0 flex-1 overflow-y-auto p-4">
        {document && <Passages document={document} />}
        {!document &&
          (error ? (
            <Failed error={error} onRetry={() => void refetch()} />
          ) : (
            <Loading label="Loading the document" />
          ))}
      </div>
    </Dialog>
  );
}

function Passages({ document }: { document: Document }) {
  const org = useOrg();
  const { passage: wanted } = route.useSearch();
  const list = useInfiniteQuery(passagesQuery(org, document.id, document.version));
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
  if (passages.length === 0) return <p className="text-soft">Nothing was understood of it yet.</p>;
  return (
    <>
      {!found && !hasNextPage && (
        <p className="mb-3 rounded-lg bg-warn-tint px-3 py-2 text-warn">
          The passage is no longer in this document: a newer version has replaced it.
        </p>
      )}
      <ol className="space-y-3">
        {passages.map((passage) => (
          <PassageCard key={passage.id} passage={passage} wanted={passage.id === wanted} />
        ))}
      </ol>
      {hasNextPage && (
        <div className="pt-3 text-center">
          <Button disabled={isFetching} onClick={() => void fetchNextPage()}>
            {isFetching ? "Loading…" : "Show more"}
          </Button>
        </div>
      )}
    </>
  );
}

function PassageCard({ passage, wanted }: { passage: Passage; wanted: boolean }) {
  const card = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (wanted) card.current?.scrollIntoView({ block: "center" });
  }, [wanted]);
  return (
    <li
      ref={card}
      aria-current={wanted ? "true" : undefined}
      className={cx(
        "rounded-xl border px-4 py-3",
        wanted ? "border-accent bg-accent-tint" : "border-line bg-ground",
      )}
    >
      <p className="mb-1 flex gap-3 text-xs text-soft">
        <span className="font-semibold">{passage.ord + 1}</span>
        <span className="min-w-0 flex-1 truncate">{passage.heading}</span>
        {passage.page !== null && <span>page {passage.page}</span>}
      </p>
      <p dir="auto" className="whitespace-pre-wrap wrap-anywhere">
        {passage.text}
      </p>
    </li>
  );
}
