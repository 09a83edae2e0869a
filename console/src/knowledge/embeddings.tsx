/** The model that search by meaning goes by, a switch to another one, and the way back. */
import { useQuery } from "@tanstack/react-query";
import { RotateCcw, Undo2 } from "lucide-react";
import { type ReactNode, useState } from "react";
import { keys } from "../keys";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { Ask } from "../parts/dialog";
import { notify } from "../parts/notices";
import { Failed, Loading } from "../parts/states";
import { useFresh } from "../realtime/subscription";
import { topics } from "../realtime/topics";
import { useAct, useMayChange } from "./acting";
import { embeddingsQuery } from "./queries";
import type { Embeddings } from "./wire";
import { counted } from "./words";

export function EmbeddingsCard() {
  const org = useOrg();
  useFresh(topics.knowledge(org.me.org.id), keys.embeddings(org.slug));
  const { data, error, refetch } = useQuery(embeddingsQuery(org));
  return (
    <section
      id="embeddings"
      aria-label="Search by meaning"
      className="h-fit rounded-2xl border border-line bg-surface p-4 shadow-raised"
    >
      <h2 className="font-semibold">Search by meaning</h2>
      {data && <Facts embeddings={data} />}
      {data && <Acts embeddings={data} />}
      {!data &&
        (error ? (
          <Failed error={error} onRetry={() => void refetch()} />
        ) : (
          <Loading label="Loading the model" rows={1} />
        ))}
    </section>
  );
}

function Facts({ embeddings }: { embeddings: Embeddings }) {
  const { model, next_model, refused_model, passages, embedded, progress, approximate } = embeddings;
  return (
    <>
      <dl className="mt-2 space-y-2">
        <Fact name="Model">
          <Model name={model} />
        </Fact>
        {!next_model && (
          <Fact name="Passages with a vector">
            {embedded.toLocaleString()} of {passages.toLocaleString()}
          </Fact>
        )}
        <Fact name="Search">
          {approximate
            ? "Approximate: an index finds the nearest of very many passages fast."
            : "Exact: every passage is compared."}
        </Fact>
        {refused_model && (
          <Fact name="Gone back from">
            <Model name={refused_model} />
          </Fact>
        )}
      </dl>
      {next_model && (
        <div className="mt-3 rounded-lg bg-accent-tint px-3 py-2">
          <p className="text-accent-strong">
            Moving to <Model name={next_model} />
          </p>
          <progress
            value={progress}
            max={1}
            aria-label="Progress of the move to another model"
            className="progress mt-2 block w-full"
          />
          <p className="mt-1 text-xs text-soft">
            {embedded.toLocaleString()} of {counted(passages, "passage")}. Until then the old model answers.
          </p>
        </div>
      )}
    </>
  );
}

function Acts({ embeddings: { next_model, previous_model, refused_model } }: { embeddings: Embeddings }) {
  const { api, slug } = useOrg();
  const mayChange = useMayChange();
  const [asking, setAsking] = useState(false);
  const stale = [keys.embeddings(slug), keys.trials(slug)];
  const goBack = useAct(api.rollBackEmbeddings, stale, {
    quiet: true,
    onDone: () => {
      notify(next_model ? "The move was stopped." : "The previous model searches again.");
      setAsking(false);
    },
  });
  const takeUp = useAct(api.switchEmbeddings, stale, {
    onDone: () => notify("The move begins; it goes on in the background."),
  });
  if (!mayChange || !(next_model ?? previous_model ?? refused_model)) return null;
  return (
    <div className="mt-3 flex flex-wrap gap-2">
      {(next_model ?? previous_model) && (
        <Button onClick={() => setAsking(true)}>
          <Undo2 size={15} aria-hidden /> {next_model ? "Stop the move" : "Go back to the previous model"}
        </Button>
      )}
      {refused_model && !next_model && (
        <Button disabled={takeUp.isPending} onClick={() => takeUp.mutate(undefined)}>
          <RotateCcw size={15} aria-hidden /> Move again
        </Button>
      )}
      {asking && (
        <Ask
          title={next_model ? "Stop the move to the other model?" : "Go back to the previous model?"}
          about={
            next_model
              ? "The vectors made so far are thrown away; the present model goes on searching."
              : `Questions are searched with ${previous_model} at once. Its vectors are still there.`
          }
          action={goBack.isPending ? "Going back…" : next_model ? "Stop the move" : "Go back"}
          busy={goBack.isPending}
          problem={goBack.error?.message ?? null}
          onClose={() => setAsking(false)}
          onConfirm={() => goBack.mutate(undefined)}
        />
      )}
    </div>
  );
}

function Model({ name }: { name: string }) {
  return <code className="font-mono text-xs wrap-anywhere">{name}</code>;
}

function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div>
      <dt className="text-xs text-soft">{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}
