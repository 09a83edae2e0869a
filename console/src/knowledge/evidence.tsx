/** What the bot would do, and how near that was to something else. */
import { CircleCheck, CircleHelp, Compass, type LucideIcon } from "lucide-react";
import { cx } from "../parts/cx";
import { evidenceText, length, percent } from "./trying";
import type { Band, Evidence } from "./wire";

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

export function Verdict({ band, evidence }: { band: Band; evidence: Evidence }) {
  const { icon: Icon, text, look } = BANDS[band];
  return (
    <div className={cx("rounded-xl px-4 py-3", look)}>
      <p className="flex gap-2 font-medium">
        <Icon size={18} className="mt-px shrink-0" aria-hidden />
        {text}
      </p>
      <Support evidence={evidence} />
      <dl className="mt-2 flex flex-wrap gap-x-4 gap-y-1 text-xs">
        <Feature name="Words covered" value={percent(evidence.coverage)} />
        <Feature name="Strength of the words" value={evidence.strength.toFixed(2)} />
        <Feature name="Nearness of meaning" value={evidence.cosine.toFixed(2)} />
      </dl>
    </div>
  );
}

/** A bar with the three bands on it, and a mark where this question stands. */
function Support({ evidence }: { evidence: Evidence }) {
  const { support, partial_from, answered_from } = evidence;
  return (
    <div className="mt-3 mb-6 text-xs">
      <div
        role="meter"
        aria-label="Evidence"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(support * 100)}
        aria-valuetext={evidenceText(evidence)}
        className="relative h-2.5 rounded-full bg-surface inset-ring inset-ring-current/25"
      >
        <div className="h-full rounded-full bg-current" style={{ width: length(support) }} />
        {[partial_from, answered_from].map((bound) => (
          <span
            key={bound}
            aria-hidden
            style={{ left: length(bound) }}
            className="absolute -inset-y-1 w-0.5 bg-ink"
          />
        ))}
        <Bound at={partial_from} name="sources" />
        <Bound at={answered_from} name="answer" />
      </div>
    </div>
  );
}

function Bound({ at, name }: { at: number; name: string }) {
  return (
    <span
      aria-hidden
      style={{ left: length(at) }}
      className="absolute top-4 -translate-x-1/2 whitespace-nowrap tabular-nums"
    >
      {name} {percent(at)}
    </span>
  );
}

function Feature({ name, value }: { name: string; value: string }) {
  return (
    <div className="flex gap-1">
      <dt>{name}</dt>
      <dd className="font-semibold tabular-nums">{value}</dd>
    </div>
  );
}
