/** A question to try: what the search finds, and what the bot would do with it. */
import { useMutation } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { CircleCheck, CircleHelp, Compass, type LucideIcon, Search } from "lucide-react";
import { type SyntheticEvent, useState } from "react";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { cx } from "../parts/cx";
import { Failed } from "../parts/states";
import type { Band, SearchHit } from "../wire";

const HITS_MAX = 8;
const QUESTION_CHARS_MAX = 1_000;

const BANDS: Record<Band, { icon: LucideIcon; text: string; look: string }> = {
  answered: {
    icon: CircleCheck,
    text: "The bot would answer from these passages.",
    look: "bg-good-tint text-good",
  },
  partial: {
    icon: Compass,
    text: "The bot would not answer, but offer the nearest sources.",
    look: "bg-warn-tint text-warn",
  },
  unknown: {
    icon: CircleHelp,
    text: "The bot would say that it does not know, and offer a person.",
    look: "bg-bad-tint text-bad",
  },
};

export function Trial() {
  const { api } = useOrg();
  const [question, setQuestion] = useState("");
  const search = useMutation({ mutationFn: (query: string) => api.search(query, HITS_MAX) });
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    if (question.trim()) search.mutate(question.trim());
  };
  return (
    <section aria-label="Try a question" className="p-4 md:p-6 lg:p-5">
      <h2 className="text-base font-semibold">Try a question</h2>
      <p className="text-soft">See what the bot would find, without a visitor.</p>
      <form onSubmit={submit} className="mt-3 flex gap-2">
        <input
          value={question}
          maxLength={QUESTION_CHARS_MAX}
          aria-label="Question"
          placeholder="A question a visitor might ask"
          onChange={(event) => setQuestion(event.target.value)}
          className="h-9 min-w-0 flex-1 rounded-lg border border-edge bg-surface px-3 placeholder:text-soft"
        />
        <Button type="submit" tone="primary" disabled={search.isPending || !question.trim()}>
          <Search size={16} aria-hidden /> Try
        </Button>
      </form>
      {search.error && <Failed error={search.error} onRetry={() => search.mutate(question.trim())} />}
      <div aria-live="polite" className={cx("mt-4 space-y-3", search.isPending && "opacity-60")}>
        {search.data && <Verdict band={search.data.band} />}
        {search.data && search.data.items.length === 0 && (
          <p className="text-soft">No passage fits at all.</p>
        )}
        {search.data && (
          <ol className="space-y-3">
            {search.data.items.map((hit) => (
              <Hit key={hit.passage.id} hit={hit} />
            ))}
          </ol>
        )}
      </div>
    </section>
  );
}

function Verdict({ band }: { band: Band }) {
  const { icon: Icon, text, look } = BANDS[band];
  return (
    <p className={cx("flex gap-2 rounded-lg px-3 py-2 font-medium", look)}>
      <Icon size={18} className="mt-px shrink-0" aria-hidden />
      {text}
    </p>
  );
}

function Hit({ hit: { passage, title, lexical, vector, score } }: { hit: SearchHit }) {
  const { slug } = useOrg();
  const place = [title, passage.heading, passage.page === null ? null : `page ${passage.page}`];
  return (
    <li className="rounded-xl border border-line px-3.5 py-3">
      <Link
        to="/$slug/knowledge/$documentId"
        params={{ slug, documentId: passage.document_id }}
        search={{ passage: passage.id }}
        className="block truncate font-medium text-accent-strong hover:underline"
      >
        {place.filter(Boolean).join(" · ")}
      </Link>
      <p dir="auto" className="mt-1 line-clamp-4 wrap-anywhere">
        {passage.text}
      </p>
      <dl className="mt-2 flex gap-4 text-xs text-soft tabular-nums">
        <Score name="Score" value={score} strong />
        <Score name="Words" value={lexical} />
        <Score name="Meaning" value={vector} />
      </dl>
    </li>
  );
}

function Score({ name, value, strong = false }: { name: string; value: number; strong?: boolean }) {
  return (
    <div className="flex gap-1">
      <dt>{name}</dt>
      <dd className={cx("font-semibold", strong && "text-ink")}>{value.toFixed(2)}</dd>
    </div>
  );
}
