/** What answers may cost a day, and what they have cost. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { cost } from "../answers/words";
import { keys } from "../keys";
import { useAct, useMayChange } from "../knowledge/acting";
import { length, share } from "../knowledge/trying";
import { counted } from "../knowledge/words";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { Chip } from "../parts/chip";
import { cx } from "../parts/cx";
import { TextField } from "../parts/field";
import { notify } from "../parts/notices";
import { Failed, Loading } from "../parts/states";
import { UnsavedPage } from "../parts/unsaved";
import { useFresh } from "../realtime/subscription";
import { topics } from "../realtime/topics";
import { Days } from "./budget-days";
import {
  allowed,
  type BudgetDraft,
  budgetDraft,
  budgetInput,
  defaultOf,
  type Fullness,
  fullness,
  isWrong,
  type Measure,
  MEASURES,
  problemWith,
  sameBudget,
  SCOPE_NAMES,
  SCOPES,
} from "./budget-draft";
import { budgetQuery } from "./queries";
import type { Allowance, Budget, Scope } from "./wire";

export function BudgetScreen() {
  const org = useOrg();
  useFresh(topics.inbox(org.me.org.id), keys.budget(org.slug));
  const { data, error, refetch } = useQuery(budgetQuery(org));
  return (
    <section aria-label="Budget" className="h-full overflow-y-auto">
      <div className="mx-auto max-w-4xl space-y-4 px-4 py-4 md:px-6">
        <p className="text-soft">
          What answers written by a model may take a day. At the limit the bot does not fall silent: it quotes
          your documents word for word, and offers a person. Days are those of UTC.
        </p>
        {!data &&
          (error ? (
            <Failed error={error} onRetry={() => void refetch()} />
          ) : (
            <Loading label="Loading the budget" rows={3} />
          ))}
        {data && (
          <>
            <Today budget={data} />
            <Allowances budget={data} />
            <Days days={data.days} />
          </>
        )}
      </div>
    </section>
  );
}

function Today({ budget: { today, allowances } }: { budget: Budget }) {
  const org = allowances.find(({ scope }) => scope === "org");
  return (
    <section aria-labelledby="today" className="rounded-2xl border border-line bg-surface p-4 shadow-raised">
      <h3 id="today" className="text-base font-semibold">
        Today
      </h3>
      {org && (
        <div className="mt-3 grid gap-x-8 gap-y-4 sm:grid-cols-2">
          <Used name="Answers" used={today.answers} most={allowed(org, "answers")} />
          <Used name="Tokens" used={today.tokens} most={allowed(org, "tokens")} />
        </div>
      )}
      <p className="mt-4 flex flex-wrap items-center gap-2">
        <span className="text-soft">
          {today.cost === null
            ? "No cost was counted: no model with prices was asked."
            : `Cost ${cost(today.cost)}.`}
        </span>
        {today.visitors_at_limit > 0 && (
          <Chip tone="warn">
            {counted(today.visitors_at_limit, "visitor")} at {today.visitors_at_limit === 1 ? "the" : "their"}{" "}
            limit
          </Chip>
        )}
      </p>
    </section>
  );
}

const FILLS: Record<Fullness, string> = { good: "bg-accent", warn: "bg-warn", bad: "bg-bad" };

function Used({ name, used, most }: { name: string; used: number; most: number }) {
  const full = fullness(used, most);
  const text = `${used.toLocaleString()} of ${most.toLocaleString()}`;
  return (
    <div>
      <p className="mb-1.5 flex flex-wrap items-baseline justify-between gap-x-3">
        <span className="font-medium">{name}</span>
        <span className={cx("tabular-nums", full === "bad" ? "font-medium text-bad" : "text-soft")}>
          {text}
          {full === "bad" && ": used up"}
        </span>
      </p>
      <div
        role="meter"
        aria-label={`${name} today`}
        aria-valuemin={0}
        aria-valuemax={most}
        aria-valuenow={Math.min(used, most)}
        aria-valuetext={text}
        className="h-2.5 overflow-hidden rounded-full bg-sunken"
      >
        <div
          className={cx("h-full rounded-full", FILLS[full])}
          style={{ width: length(most === 0 ? 1 : share(used, most)) }}
        />
      </div>
    </div>
  );
}

/** What one types is kept apart from what is stored, which is read again while answers are given. */
function Allowances({ budget }: { budget: Budget }) {
  const { api, slug } = useOrg();
  const client = useQueryClient();
  const mayChange = useMayChange();
  const stored = budgetDraft(budget);
  const [typed, setTyped] = useState<BudgetDraft | null>(null);
  const draft = typed ?? stored;
  const dirty = typed !== null && !sameBudget(typed, stored);
  const save = useAct(() => api.setBudget(budgetInput(draft, stored)), [], {
    quiet: true,
    onDone: (next) => {
      client.setQueryData(keys.budget(slug), next);
      setTyped(null);
      notify("The allowances were saved.");
    },
  });
  const change = (scope: Scope, measure: Measure, value: string): void => {
    save.reset();
    setTyped({ ...draft, [scope]: { ...draft[scope], [measure]: value } });
  };
  return (
    <form
      aria-label="Allowances"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        if (dirty && !isWrong(draft)) save.mutate(undefined);
      }}
      className="rounded-2xl border border-line bg-surface shadow-raised"
    >
      <header className="flex flex-wrap items-center gap-2 border-b border-line px-4 py-3">
        <h3 className="mr-auto text-base font-semibold">Allowances for a day</h3>
        {dirty && <Chip tone="warn">Not saved</Chip>}
      </header>
      {SCOPES.map((scope) => (
        <ScopeRow
          key={scope}
          scope={scope}
          allowance={budget.allowances.find((each) => each.scope === scope)}
          draft={draft}
          disabled={!mayChange}
          onChange={change}
        />
      ))}
      {save.error && (
        <p role="alert" className="mx-4 mt-4 rounded-lg bg-bad-tint px-3 py-2 text-bad">
          {save.error.message}
        </p>
      )}
      <footer className="flex flex-wrap items-center justify-end gap-2 px-4 py-3">
        <p className="min-w-48 flex-1 text-xs text-soft">
          {mayChange
            ? "An empty field follows the default of this service; 0 lets no model answer."
            : "Owners and administrators change these."}
        </p>
        {mayChange && (
          <>
            <Button disabled={!dirty || save.isPending} onClick={() => setTyped(null)}>
              Reset
            </Button>
            <Button type="submit" tone="primary" disabled={!dirty || isWrong(draft) || save.isPending}>
              {save.isPending ? "Saving…" : "Save"}
            </Button>
          </>
        )}
      </footer>
      <UnsavedPage dirty={dirty} />
    </form>
  );
}

const LABELS: Record<Measure, string> = { answers: "Answers", tokens: "Tokens" };

type ScopeRowProps = {
  scope: Scope;
  allowance: Allowance | undefined;
  draft: BudgetDraft;
  disabled: boolean;
  onChange: (scope: Scope, measure: Measure, value: string) => void;
};

function ScopeRow({ scope, allowance, draft, disabled, onChange }: ScopeRowProps) {
  if (!allowance) return null;
  return (
    <fieldset className="border-b border-line px-4 py-3">
      <legend className="float-left mb-2 w-full font-semibold">{SCOPE_NAMES[scope]}</legend>
      <div className="clear-both grid gap-4 sm:grid-cols-2">
        {MEASURES.map((measure) => (
          <TextField
            key={measure}
            label={LABELS[measure]}
            inputMode="numeric"
            autoComplete="off"
            disabled={disabled}
            value={draft[scope][measure]}
            placeholder={`${defaultOf(allowance, measure).toLocaleString()} (default)`}
            problem={problemWith(draft[scope][measure], measure)}
            onChange={({ target }) => onChange(scope, measure, target.value)}
          />
        ))}
      </div>
    </fieldset>
  );
}
