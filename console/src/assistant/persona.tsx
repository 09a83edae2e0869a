/** How the bot speaks: a draft beside what is live, and what was live before. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { ApiError } from "../api";
import { useMayChange } from "../knowledge/acting";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { Chip } from "../parts/chip";
import { Confirm } from "../parts/dialog";
import { Failed, Loading } from "../parts/states";
import { UnsavedPage } from "../parts/unsaved";
import { usePersonaAct } from "./persona-act";
import {
  changedFields,
  type PersonaDraft,
  personaDraft,
  personaFieldOf,
  personaInput,
  personaProblems,
  samePersona,
} from "./persona-draft";
import { PersonaFields } from "./persona-fields";
import { History, Live } from "./persona-live";
import { personaQuery } from "./queries";
import type { PersonaState } from "./wire";

export function PersonaScreen() {
  const { data, error, refetch } = useQuery(personaQuery(useOrg()));
  const mayChange = useMayChange();
  return (
    <section aria-label="Persona" className="h-full overflow-y-auto">
      <div className="mx-auto max-w-6xl px-4 py-4 md:px-6">
        <p className="mb-4 max-w-3xl text-soft">
          How the bot speaks to visitors; a draft changes nothing until it is published. Tone, length and
          instructions are for answers that a model writes, the rest holds for quotes too.
        </p>
        {!data &&
          (error ? (
            <Failed error={error} onRetry={() => void refetch()} />
          ) : (
            <Loading label="Loading the persona" />
          ))}
        {data && (mayChange ? <Both state={data} /> : <Seen state={data} />)}
      </div>
    </section>
  );
}

/** For who may not change it. */
function Seen({ state }: { state: PersonaState }) {
  return (
    <div className="max-w-2xl space-y-4">
      <Live state={state} changed={[]} />
      <History state={state} />
    </div>
  );
}

/** What one types is kept apart from what is stored, which may be read again at any time. */
function Both({ state }: { state: PersonaState }) {
  const { api } = useOrg();
  const stored = personaDraft(state.draft ?? state.published);
  const [typed, setTyped] = useState<{ draft: PersonaDraft; over: PersonaDraft } | null>(null);
  const [asking, setAsking] = useState<"publish" | "discard" | null>(null);
  const draft = typed?.draft ?? stored;
  const dirty = typed !== null && !samePersona(typed.draft, stored);
  const overtaken = dirty && !samePersona(typed.over, stored);
  const forget = (): void => setTyped(null);
  const save = usePersonaAct(() => api.savePersona(personaInput(draft)), "The draft was saved.", forget);
  const publish = usePersonaAct(
    async () => {
      if (dirty || !state.draft) await api.savePersona(personaInput(draft));
      return api.publishPersona();
    },
    "It is live: the bot speaks like this from the next answer on.",
    forget,
  );
  const discard = usePersonaAct(api.discardPersona, "The draft was discarded.", forget);
  const refused = save.error ?? publish.error ?? discard.error;
  const problems = { ...personaProblems(draft), ...refusalOf(refused) };
  const wrong = Object.keys(personaProblems(draft)).length > 0;
  const busy = save.isPending || publish.isPending || discard.isPending;
  const change = (changed: Partial<PersonaDraft>): void => {
    save.reset();
    publish.reset();
    setTyped({ draft: { ...draft, ...changed }, over: typed?.over ?? stored });
  };
  const changed = changedFields(draft, personaDraft(state.published));
  return (
    <div className="grid items-start gap-6 lg:grid-cols-[1fr_22rem]">
      <form
        aria-label="Draft"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (dirty && !wrong) save.mutate(undefined);
        }}
        className="rounded-2xl border border-line bg-surface shadow-raised"
      >
        <header className="flex flex-wrap items-center gap-2 border-b border-line px-4 py-3">
          <h3 className="mr-auto text-base font-semibold">Draft</h3>
          <DraftChip dirty={dirty} isDraft={state.draft !== null} />
        </header>
        {overtaken && (
          <div className="flex flex-wrap items-center gap-2 border-b border-line bg-warn-tint px-4 py-2 text-warn">
            <p className="min-w-48 flex-1">
              A colleague changed what is stored meanwhile. Saving replaces it.
            </p>
            <Button onClick={forget}>Show theirs</Button>
          </div>
        )}
        <PersonaFields draft={draft} problems={problems} onChange={change} />
        {refused && !refusalOf(refused) && (
          <p role="alert" className="mx-4 mb-4 rounded-lg bg-bad-tint px-3 py-2 text-bad">
            {refused.message}
          </p>
        )}
        <footer className="sticky bottom-0 flex flex-wrap justify-end gap-2 rounded-b-2xl border-t border-line bg-surface px-4 py-3">
          <Button
            tone="quiet"
            className="mr-auto"
            disabled={busy || (!dirty && !state.draft)}
            onClick={() => setAsking("discard")}
          >
            Discard
          </Button>
          <Button type="submit" disabled={busy || !dirty || wrong}>
            {save.isPending ? "Saving…" : "Save draft"}
          </Button>
          <Button
            tone="primary"
            disabled={busy || wrong || changed.length === 0}
            onClick={() => setAsking("publish")}
          >
            {publish.isPending ? "Publishing…" : "Publish"}
          </Button>
        </footer>
      </form>
      <div className="space-y-4">
        <Live state={state} changed={changed} />
        <History state={state} unsaved={dirty} onRestored={forget} />
      </div>
      <Confirm
        title="Publish this?"
        about="Every visitor is answered like this from the next answer on. What is live now stays in the history."
        action="Publish"
        open={asking === "publish"}
        onClose={() => setAsking(null)}
        onConfirm={() => publish.mutate(undefined)}
      />
      <Confirm
        danger
        title="Discard the draft?"
        about="The form shows what is live again. This cannot be undone."
        action="Discard"
        open={asking === "discard"}
        onClose={() => setAsking(null)}
        onConfirm={() => (state.draft ? discard.mutate(undefined) : forget())}
      />
      <UnsavedPage dirty={dirty} />
    </div>
  );
}

function DraftChip({ dirty, isDraft }: { dirty: boolean; isDraft: boolean }) {
  if (dirty) return <Chip tone="warn">Not saved</Chip>;
  return isDraft ? <Chip tone="accent">Saved, not published</Chip> : <Chip>As it is live</Chip>;
}

/** A refusal beside the field that it is about; null when it is about none. */
function refusalOf(error: Error | null): Partial<Record<keyof PersonaDraft, string>> | null {
  const field = error instanceof ApiError ? personaFieldOf(error.code) : null;
  return field === null || error === null ? null : { [field]: error.message };
}
