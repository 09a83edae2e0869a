/** How an answer came to be: by which way, from which passages, with which calls, in what time. */
import { useQuery } from "@tanstack/react-query";
import { TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { useOrg } from "../org";
import { Chip } from "../parts/chip";
import { Dialog, SheetBody } from "../parts/dialog";
import { Failed, Loading } from "../parts/states";
import { fullTime } from "../times";
import type { Message } from "../wire";
import { traceQuery } from "./queries";
import { Calls, Passages, Reviews, Times } from "./trace-parts";
import type { AnswerTrace, Trace } from "./wire";
import {
  degradedText,
  endingText,
  errorText,
  evidenceText,
  languageName,
  personaText,
  routeText,
  totalText,
} from "./words";

export function TraceSheet({ message, onClose }: { message: Message; onClose: () => void }) {
  const { data, error, refetch } = useQuery(traceQuery(useOrg(), message.id));
  return (
    <Dialog
      side
      open
      title="How this answer came to be"
      about={`${message.author.name}, ${fullTime(message.created_at)}`}
      onClose={onClose}
    >
      <SheetBody>
        {!data &&
          (error ? (
            <Failed error={error} onRetry={() => void refetch()} />
          ) : (
            <Loading label="Loading the trace" rows={4} />
          ))}
        {data && <Whole answer={data} />}
      </SheetBody>
    </Dialog>
  );
}

function Whole({ answer }: { answer: AnswerTrace }) {
  const { trace, reviews } = answer;
  return (
    <div className="space-y-6">
      <Summary answer={answer} />
      {trace && <Found trace={trace} />}
      {trace && trace.steps.length > 0 && (
        <Part title="Calls to models">
          <Calls steps={trace.steps} />
        </Part>
      )}
      {trace?.timings && (
        <Part title="Time">
          <Times timings={trace.timings} />
        </Part>
      )}
      {trace && <Totals answer={answer} trace={trace} />}
      {reviews.length > 0 && (
        <Part title="What colleagues made of it">
          <Reviews entries={reviews} />
        </Part>
      )}
    </div>
  );
}

function Summary({ answer }: { answer: AnswerTrace }) {
  const { trace, error_code } = answer;
  const ending = endingText(answer);
  const degraded = trace?.degraded ?? [];
  const unexplained = ending !== null && error_code !== null && !degraded.includes(error_code);
  const troubles = [
    ...(ending === null ? [] : [ending]),
    ...(unexplained ? [errorText(error_code)] : []),
    ...degraded.map(degradedText),
  ];
  return (
    <div className="space-y-3">
      <p className="text-[0.9375rem] font-medium">
        {trace
          ? routeText(trace.route, answer.model)
          : "No trace was kept: the answer is older than traces, or is not ready."}
      </p>
      {troubles.length > 0 && (
        <ul
          aria-label="What stood in the way"
          className="space-y-1.5 rounded-xl bg-warn-tint px-3 py-2.5 text-warn"
        >
          {troubles.map((text) => (
            <li key={text} className="flex gap-2">
              <TriangleAlert size={15} className="mt-0.5 shrink-0" aria-hidden />
              <span className="min-w-0 wrap-anywhere">{text}</span>
            </li>
          ))}
        </ul>
      )}
    </div>
  );
}

function Found({ trace }: { trace: Trace }) {
  const evidence = evidenceText(trace);
  if (!trace.query && trace.passages.length === 0) return null;
  return (
    <Part title="What was found">
      {trace.query && (
        <p className="wrap-anywhere">
          <span className="text-soft">Searched as </span>
          <q dir="auto" className="font-medium">
            {trace.query}
          </q>
        </p>
      )}
      {evidence !== null && (
        <p className="mt-1.5">
          <Chip tone={trace.band === "answered" ? "good" : trace.band === "partial" ? "warn" : "bad"}>
            <span className="truncate">{evidence}</span>
          </Chip>
        </p>
      )}
      {trace.passages.length === 0 ? (
        <p className="mt-2 text-soft">No passage fits at all.</p>
      ) : (
        <Passages passages={trace.passages} />
      )}
    </Part>
  );
}

function Totals({ answer, trace }: { answer: AnswerTrace; trace: Trace }) {
  const facts: [string, string][] = [
    ["Models", totalText(trace)],
    ...(trace.route === "model" || trace.route === "quotes"
      ? [
          [
            "Words by",
            trace.route === "quotes" ? "the documents, quoted" : answer.model,
          ] satisfies [string, string],
        ]
      : []),
    ["Language", languageName(trace.language)],
    ...(typeof trace.persona_version === "number"
      ? [["Spoken as", personaText(trace.persona_version)] satisfies [string, string]]
      : []),
    ["Attempt", `${answer.attempt}`],
    ["Begun", fullTime(answer.started_at)],
  ];
  return (
    <Part title="In all">
      <dl className="grid grid-cols-[6rem_1fr] gap-x-3 gap-y-1.5">
        {facts.map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-soft">{name}</dt>
            <dd className="min-w-0 wrap-anywhere">{value}</dd>
          </div>
        ))}
      </dl>
    </Part>
  );
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section aria-label={title}>
      <h3 className="mb-2 text-xs font-semibold tracking-wide text-soft uppercase">{title}</h3>
      {children}
    </section>
  );
}
