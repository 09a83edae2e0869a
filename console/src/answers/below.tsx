/** What stands under an answer of the bot: what visitor and colleagues make of it, and what one can do. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { Check, CircleCheck, PenLine, ThumbsDown, ThumbsUp, Undo2, Users, Waypoints } from "lucide-react";
import { type ComponentProps, lazy, Suspense, useState } from "react";
import { useOrg } from "../org";
import { Chip } from "../parts/chip";
import { cx } from "../parts/cx";
import { Confirm } from "../parts/dialog";
import { fullTime } from "../times";
import type { Message } from "../wire";
import { affectedQuery } from "./queries";
import { useReview } from "./reviewing";
import { affectedText, untold } from "./telling";

const TraceSheet = lazy(async () => ({ default: (await import("./trace")).TraceSheet }));
const CorrectionSheet = lazy(async () => ({ default: (await import("./correction")).CorrectionSheet }));
const AffectedSheet = lazy(async () => ({ default: (await import("./affected")).AffectedSheet }));

type Sheet = "trace" | "correction" | "affected";

export function BelowAnswer({ message }: { message: Message }) {
  const [sheet, setSheet] = useState<Sheet | null>(null);
  const close = (): void => setSheet(null);
  return (
    <div className="mt-1 flex max-w-full flex-col items-end gap-1">
      <Opinions message={message} />
      <div role="group" aria-label="This answer" className="flex flex-wrap items-center justify-end gap-x-1">
        <Small onClick={() => setSheet("trace")}>
          <Waypoints size={13} aria-hidden /> How it came to be
        </Small>
        <Verdicts message={message} onCorrect={() => setSheet("correction")} />
      </div>
      {message.review?.kind === "corrected" && (
        <Others message={message} onOpen={() => setSheet("affected")} />
      )}
      <Suspense>
        {sheet === "trace" && <TraceSheet message={message} onClose={close} />}
        {sheet === "correction" && <CorrectionSheet message={message} onClose={close} />}
        {sheet === "affected" && <AffectedSheet message={message} onClose={close} />}
      </Suspense>
    </div>
  );
}

function Opinions({ message: { feedback, review } }: { message: Message }) {
  if (!feedback && !review) return null;
  return (
    <div className="flex max-w-full flex-wrap items-start justify-end gap-1.5 text-xs">
      {feedback?.reason && (
        <q dir="auto" className="max-w-full py-0.5 wrap-anywhere text-soft">
          {feedback.reason}
        </q>
      )}
      {feedback && (
        <Chip tone={feedback.value === 1 ? "good" : "bad"}>
          {feedback.value === 1 ? <ThumbsUp size={12} aria-hidden /> : <ThumbsDown size={12} aria-hidden />}
          {feedback.value === 1 ? "The visitor liked it" : "The visitor disliked it"}
        </Chip>
      )}
      {review && (
        <span title={fullTime(review.at)} className="max-w-full">
          <Chip tone={review.kind === "checked" ? "good" : "accent"}>
            {review.kind === "checked" ? (
              <CircleCheck size={12} aria-hidden className="shrink-0" />
            ) : (
              <PenLine size={12} aria-hidden className="shrink-0" />
            )}
            <span className="truncate">
              {review.kind === "checked" ? "Checked" : "Corrected"} by {review.by}
            </span>
          </Chip>
        </span>
      )}
    </div>
  );
}

/** A check is switched on and off; a correction is written anew or taken back. */
function Verdicts({ message, onCorrect }: { message: Message; onCorrect: () => void }) {
  const review = useReview(message);
  const [asking, setAsking] = useState(false);
  const corrected = message.review?.kind === "corrected";
  const checked = message.review?.kind === "checked";
  return (
    <>
      {corrected ? (
        <Small disabled={review.isPending} onClick={() => setAsking(true)}>
          <Undo2 size={13} aria-hidden /> Take back
        </Small>
      ) : (
        <Small
          aria-pressed={checked}
          disabled={review.isPending}
          onClick={() => review.mutate({ kind: checked ? "withdrawn" : "checked" })}
        >
          <Check size={13} aria-hidden /> Mark as checked
        </Small>
      )}
      <Small onClick={onCorrect}>
        <PenLine size={13} aria-hidden /> {corrected ? "Correct again" : "Correct"}
      </Small>
      <Confirm
        title="Take the correction back?"
        about="The visitor sees the assistant's own words again, at once. The history keeps yours."
        action="Take back"
        open={asking}
        onClose={() => setAsking(false)}
        onConfirm={() => review.mutate({ kind: "withdrawn" })}
      />
    </>
  );
}

/** Who else was answered from the same passage, now that it is known to mislead. */
function Others({ message, onOpen }: { message: Message; onOpen: () => void }) {
  const { data, hasNextPage } = useInfiniteQuery(affectedQuery(useOrg(), message.id));
  const items = data?.pages.flatMap((page) => page.items) ?? [];
  const text = affectedText(items, hasNextPage);
  if (text === null) return null;
  const all = untold(items).length === 0 && !hasNextPage;
  return (
    <Small onClick={onOpen} className={all ? undefined : "bg-warn-tint text-warn hover:bg-warn-tint"}>
      <Users size={13} aria-hidden className="shrink-0" />
      {text}
      {all && ", and told"}
    </Small>
  );
}

function Small({ className, ...rest }: ComponentProps<"button">) {
  return (
    <button
      type="button"
      className={cx(
        "inline-flex min-h-7 items-center gap-1 rounded-md px-2 text-start text-xs font-medium text-soft",
        "hover:bg-hover hover:text-ink disabled:opacity-50",
        "aria-pressed:bg-good-tint aria-pressed:text-good",
        className,
      )}
      {...rest}
    />
  );
}
