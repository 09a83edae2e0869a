/** Which models the bot asks: the first, one for when that fails, and what answers without any. */
import { useMutation, useQuery } from "@tanstack/react-query";
import {
  ArrowDown,
  CircleCheck,
  CircleX,
  FlaskConical,
  KeyRound,
  Pencil,
  Plus,
  Quote,
  Trash2,
} from "lucide-react";
import { useState } from "react";
import { duration } from "../answers/words";
import { keys } from "../keys";
import { useAct, useMayChange } from "../knowledge/acting";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { cx } from "../parts/cx";
import { Ask } from "../parts/dialog";
import { notify } from "../parts/notices";
import { Empty, Failed, Loading } from "../parts/states";
import { fullTime } from "../times";
import { insteadText, priceText, type Rank, RANKS } from "./model-draft";
import { ModelForm } from "./model-form";
import { modelsQuery } from "./queries";
import type { Model, ModelList, ModelTest } from "./wire";

const NAMES: Record<Rank, { name: string; about: string }> = {
  1: {
    name: "First model",
    about: "Writes the answers from the passages found.",
  },
  2: {
    name: "Second model",
    about: "Is asked when the first one fails before its first word.",
  },
};

export function ModelsScreen() {
  const mayChange = useMayChange();
  const { data, error, refetch } = useQuery({ ...modelsQuery(useOrg()), enabled: mayChange });
  if (!mayChange) {
    return (
      <Empty icon={KeyRound} title="For owners and administrators">
        They choose which models the bot asks.
      </Empty>
    );
  }
  return (
    <section aria-label="Models" className="h-full overflow-y-auto">
      <div className="mx-auto max-w-3xl px-4 py-4 md:px-6">
        <p className="mb-4 text-soft">
          Any endpoint that speaks as OpenAI's chat completions do. A question, what was said before and the
          passages found are sent to it; keys are stored encrypted and never shown again.
        </p>
        {!data &&
          (error ? (
            <Failed error={error} onRetry={() => void refetch()} />
          ) : (
            <Loading label="Loading the models" rows={2} />
          ))}
        {data && <Steps models={data} />}
      </div>
    </section>
  );
}

function Steps({ models: { items, install } }: { models: ModelList }) {
  return (
    <ol className="space-y-2">
      {RANKS.map((rank) => (
        <li key={rank}>
          <Slot
            rank={rank}
            model={items.find((each) => each.rank === rank) ?? null}
            none={
              rank === 1
                ? insteadText(install, items.length > 0)
                : "None is set: when the first one fails, the bot goes on with quotes."
            }
          />
          <ArrowDown size={16} className="mx-auto mt-2 text-edge" aria-hidden />
        </li>
      ))}
      <li className="rounded-2xl border border-dashed border-edge px-4 py-3">
        <h3 className="flex items-center gap-2 font-semibold">
          <Quote size={16} aria-hidden className="text-soft" />
          When no model answers
        </h3>
        <p className="mt-1 text-soft">
          The bot quotes your documents word for word, and offers a person when they hold no answer.
        </p>
      </li>
    </ol>
  );
}

function Slot({ rank, model, none }: { rank: Rank; model: Model | null; none: string }) {
  const [open, setOpen] = useState<"form" | "removal" | null>(null);
  const close = (): void => setOpen(null);
  const { name, about } = NAMES[rank];
  return (
    <article aria-label={name} className="rounded-2xl border border-line bg-surface p-4 shadow-raised">
      <header className="flex flex-wrap items-start justify-between gap-2">
        <div className="min-w-0 flex-1 basis-48">
          <h3 className="text-base font-semibold">{name}</h3>
          <p className="text-soft">{about}</p>
        </div>
        {!model && (
          <Button onClick={() => setOpen("form")} aria-label={`Set the ${name.toLowerCase()}`}>
            <Plus size={15} aria-hidden /> Set a model
          </Button>
        )}
      </header>
      {model ? (
        <Known rank={rank} model={model} onEdit={() => setOpen("form")} onRemove={() => setOpen("removal")} />
      ) : (
        <p className="mt-3 text-soft">{none}</p>
      )}
      {open === "form" && <ModelForm rank={rank} name={name} model={model} onClose={close} />}
      {open === "removal" && model && <Removal rank={rank} model={model} onClose={close} />}
    </article>
  );
}

type KnownProps = { rank: Rank; model: Model; onEdit: () => void; onRemove: () => void };

function Known({ rank, model, onEdit, onRemove }: KnownProps) {
  const { api } = useOrg();
  const test = useMutation({ mutationFn: () => api.testModel(rank) });
  const facts: [string, string][] = [
    ["Model", model.model],
    ["Address", model.base_url ?? "the service's own"],
    ["Key", keyText(model)],
    ["Temperature", model.temperature === null ? "the model's own" : `${model.temperature}`],
    ["Prices", priceText(model)],
    ["Changed", fullTime(model.updated_at)],
  ];
  return (
    <>
      <dl className="mt-3 grid grid-cols-[6.5rem_1fr] gap-x-3 gap-y-1.5">
        {facts.map(([name, value]) => (
          <div key={name} className="contents">
            <dt className="text-soft">{name}</dt>
            <dd className="min-w-0 wrap-anywhere">{value}</dd>
          </div>
        ))}
      </dl>
      <div className="mt-4 flex flex-wrap gap-2">
        <Button disabled={test.isPending} onClick={() => test.mutate()}>
          <FlaskConical size={15} aria-hidden /> {test.isPending ? "Asking…" : "Test"}
        </Button>
        <Button onClick={onEdit}>
          <Pencil size={15} aria-hidden /> Edit
        </Button>
        <Button tone="quiet" className="text-bad" onClick={onRemove}>
          <Trash2 size={15} aria-hidden /> Remove
        </Button>
      </div>
      <div aria-live="polite">
        {test.isPending && (
          <p className="mt-3 text-soft">One short question is sent; this may take half a minute.</p>
        )}
        {test.data && !test.isPending && <TestResult result={test.data} />}
        {test.error && !test.isPending && <TestResult result={refused(test.error)} />}
      </div>
    </>
  );
}

function TestResult({ result: { ok, code, message, first_ms } }: { result: ModelTest }) {
  const Icon = ok ? CircleCheck : CircleX;
  return (
    <p
      className={cx(
        "mt-3 flex gap-2 rounded-lg px-3 py-2",
        ok ? "bg-good-tint text-good" : "bg-bad-tint text-bad",
      )}
    >
      <Icon size={16} className="mt-0.5 shrink-0" aria-hidden />
      <span className="min-w-0 wrap-anywhere">
        {message}
        {first_ms !== null && ` The first word came after ${duration(first_ms)}.`}{" "}
        {code !== null && <code className="font-mono text-xs">{code}</code>}
      </span>
    </p>
  );
}

function Removal({ rank, model, onClose }: { rank: Rank; model: Model; onClose: () => void }) {
  const { api, slug } = useOrg();
  const remove = useAct(() => api.removeModel(rank), [keys.models(slug)], {
    quiet: true,
    onDone: () => {
      notify(`${model.model} was removed.`);
      onClose();
    },
  });
  return (
    <Ask
      danger
      title={`Remove ${model.model}?`}
      about="It is asked no more, from the next answer on. Its key is deleted with it."
      action={remove.isPending ? "Removing…" : "Remove"}
      busy={remove.isPending}
      problem={remove.error?.message ?? null}
      onClose={onClose}
      onConfirm={() => remove.mutate(undefined)}
    />
  );
}

function keyText({ key_hint }: Model): string {
  if (key_hint === null) return "none";
  return key_hint === "…" ? "stored" : `stored, ends in ${key_hint}`;
}

function refused(error: Error): ModelTest {
  return { ok: false, code: null, message: error.message, first_ms: null };
}
