/** The lists of a trace: passages, calls, times, what colleagues did. */
import { Link } from "@tanstack/react-router";
import { Difference } from "../knowledge/passage";
import { Score } from "../knowledge/score";
import { length } from "../knowledge/trying";
import { useOrg } from "../org";
import { Chip } from "../parts/chip";
import { cx } from "../parts/cx";
import { fullTime } from "../times";
import type { ReviewEntry, Step, Timings, TracedPassage } from "./wire";
import { cost, duration, reviewText, stepText, stretches, tokenText } from "./words";

export function Passages({ passages }: { passages: TracedPassage[] }) {
  const most = (of: (each: TracedPassage) => number): number => Math.max(...passages.map(of), 0);
  const full = { score: most(({ score }) => score), lexical: most(({ lexical }) => lexical) };
  return (
    <ol aria-label="Passages considered" className="mt-3 space-y-2.5">
      {passages.map((each) => (
        <li
          key={each.n}
          className={cx("rounded-xl border px-3 py-2.5", each.cited ? "border-accent" : "border-line")}
        >
          <div className="flex items-start gap-2">
            <span className="text-soft tabular-nums">{each.n}</span>
            <PassageLink passage={each} />
            <Chip tone={each.cited ? "good" : "plain"}>{each.cited ? "Cited" : "Not cited"}</Chip>
          </div>
          <dl className="mt-2 grid gap-x-4 gap-y-1 text-xs text-soft sm:grid-cols-3">
            <Score name="Score" value={each.score} full={full.score} strong />
            <Score name="Words" value={each.lexical} full={full.lexical} />
            <Score name="Meaning" value={each.vector} full={1} />
          </dl>
        </li>
      ))}
    </ol>
  );
}

function PassageLink({ passage }: { passage: TracedPassage }) {
  const { slug } = useOrg();
  const { title, heading, page, version, document_id, passage_id } = passage;
  const place = [title, heading, page === null ? null : `page ${page}`];
  return (
    <span className="min-w-0 flex-1 wrap-anywhere">
      <Link
        to="/$slug/knowledge/$documentId"
        params={{ slug, documentId: document_id }}
        search={{ passage: passage_id }}
        className="font-medium text-accent-strong hover:underline"
      >
        {[...new Set(place.filter(Boolean))].join(" · ")}
      </Link>{" "}
      <span className="text-xs text-soft">version {version}</span>
    </span>
  );
}

export function Calls({ steps }: { steps: Step[] }) {
  return (
    <ol className="space-y-2.5">
      {steps.map((step, at) => (
        <li key={at} className="rounded-xl border border-line px-3 py-2.5">
          <div className="flex flex-wrap items-center gap-x-2 gap-y-1">
            <span className="min-w-0 flex-1 font-medium wrap-anywhere">{step.model}</span>
            <span className={cx("font-medium", step.code === "ok" ? "text-good" : "text-bad")}>
              {stepText(step)}
            </span>
          </div>
          <dl className="mt-1.5 grid grid-cols-2 gap-x-4 gap-y-1 text-xs sm:grid-cols-4">
            <Fact name="First word" value={step.first_ms === null ? "none" : duration(step.first_ms)} />
            <Fact name="Whole" value={duration(step.ms)} />
            <Fact
              name="Tokens"
              value={tokenText(step.usage.prompt_tokens, step.usage.completion_tokens, step.estimated)}
            />
            <Fact name="Cost" value={step.cost === null ? "no price set" : cost(step.cost)} />
          </dl>
        </li>
      ))}
    </ol>
  );
}

function Fact({ name, value }: { name: string; value: string }) {
  return (
    <div className="min-w-0">
      <dt className="text-soft">{name}</dt>
      <dd className="font-medium wrap-anywhere tabular-nums">{value}</dd>
    </div>
  );
}

/** Each stretch of the time as a bar below the one before, from where that ended. */
export function Times({ timings }: { timings: Timings }) {
  const { whole } = timings;
  return (
    <>
      <ul className="space-y-1.5 text-xs">
        {stretches(timings).map(({ name, from, to }) => (
          <li
            key={name}
            className="grid grid-cols-[1fr_4rem] items-center gap-x-3 sm:grid-cols-[11rem_1fr_4rem]"
          >
            <span className="max-sm:col-span-2">{name}</span>
            <span aria-hidden className="relative h-2 overflow-hidden rounded-full bg-sunken">
              <span
                className="absolute inset-y-0 min-w-0.5 rounded-full bg-accent"
                style={{ left: length(from / (whole || 1)), width: length((to - from) / (whole || 1)) }}
              />
            </span>
            <span className="text-end font-medium tabular-nums">{duration(to - from)}</span>
          </li>
        ))}
      </ul>
      <p className="mt-2 text-xs text-soft">{duration(whole)} from beginning to end.</p>
    </>
  );
}

export function Reviews({ entries }: { entries: ReviewEntry[] }) {
  return (
    <ol className="space-y-2.5">
      {entries.map((entry) => (
        <li key={`${entry.at}${entry.kind}`} className="rounded-xl border border-line px-3 py-2.5">
          <p className="flex flex-wrap gap-x-2">
            <span className="font-medium">
              {reviewText(entry)} by {entry.by}
            </span>
            <time dateTime={entry.at} className="text-xs leading-5 text-soft">
              {fullTime(entry.at)}
            </time>
          </p>
          {entry.kind === "corrected" && (
            <details className="mt-1.5">
              <summary className="text-xs font-medium text-accent-strong">
                Against what the assistant wrote
              </summary>
              <Difference before={entry.original_text} after={entry.text} />
            </details>
          )}
        </li>
      ))}
    </ol>
  );
}
