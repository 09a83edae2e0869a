/** A passage that was found, and why it stands where it stands. */
import { Link } from "@tanstack/react-router";
import { useOrg } from "../org";
import { Chip } from "../parts/chip";
import { cx } from "../parts/cx";
import { Score } from "./score";
import type { Scales } from "./trying";
import type { SearchHit, Word } from "./wire";

type HitProps = { hit: SearchHit; place: number; scales: Scales };

export function Hit({ hit, place, scales }: HitProps) {
  const { passage, lexical, vector, score, words, reranked } = hit;
  return (
    <li className="rounded-2xl border border-line bg-surface px-4 py-3 shadow-raised">
      <div className="flex items-start gap-2.5">
        <span className="mt-px text-soft tabular-nums">{place}</span>
        <Source hit={hit} />
        {passage.kind === "faq" && <Chip tone="accent">Answer by hand</Chip>}
        {reranked !== null && <Chip>Reranked {reranked.toFixed(2)}</Chip>}
      </div>
      <p dir="auto" className="mt-1 line-clamp-4 wrap-anywhere">
        {passage.text}
      </p>
      <dl className="mt-2.5 grid gap-x-5 gap-y-1.5 text-xs text-soft sm:grid-cols-3">
        <Score name="Score" value={score} full={scales.score} strong />
        <Score name="Words" value={lexical} full={scales.lexical} />
        <Score name="Meaning" value={vector} full={scales.vector} />
      </dl>
      <Words words={words} />
    </li>
  );
}

function Source({ hit: { passage, title } }: { hit: SearchHit }) {
  const { slug } = useOrg();
  const place = [title, passage.heading, passage.page === null ? null : `page ${passage.page}`];
  // An answer by hand has its question as title and as heading.
  const name = [...new Set(place.filter(Boolean))].join(" · ");
  const look = "min-w-0 flex-1 font-medium wrap-anywhere";
  if (passage.kind === "faq") {
    return (
      <Link
        to="/$slug/knowledge/faqs"
        params={{ slug }}
        search={{ q: title }}
        className={cx(look, "text-accent-strong hover:underline")}
      >
        {name || passage.text}
      </Link>
    );
  }
  return (
    <Link
      to="/$slug/knowledge/$documentId"
      params={{ slug, documentId: passage.document_id }}
      search={{ passage: passage.id }}
      className={cx(look, "text-accent-strong hover:underline")}
    >
      {name}
    </Link>
  );
}

function Words({ words }: { words: Word[] }) {
  if (words.length === 0) return null;
  return (
    <ul aria-label="Words matched" className="mt-2 flex flex-wrap gap-1.5">
      {words.map((word) => (
        <li
          key={word.lexeme}
          title={`Rarity ${word.idf.toFixed(1)}; ${word.tf === 1 ? "once" : `${word.tf} times`} in the passage`}
          className="rounded-md bg-sunken px-1.5 py-0.5 text-xs wrap-anywhere"
        >
          {word.lexeme}
          {word.tf > 1 && <span className="text-soft"> ×{word.tf}</span>}
          {word.corrected_from !== null && <span className="text-soft"> for “{word.corrected_from}”</span>}
        </li>
      ))}
    </ul>
  );
}
