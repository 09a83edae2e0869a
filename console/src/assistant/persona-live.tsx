/** What is live, read only, and the way back to what was live before. */
import { RotateCcw } from "lucide-react";
import { useState } from "react";
import { useMayChange } from "../knowledge/acting";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { Chip } from "../parts/chip";
import { cx } from "../parts/cx";
import { Ask } from "../parts/dialog";
import { fullTime } from "../times";
import { usePersonaAct } from "./persona-act";
import { languageText, LENGTHS, PERSONA_FIELDS, type PersonaField, TONES } from "./persona-draft";
import type { Persona, PersonaState } from "./wire";

const FIELDS = Object.keys(PERSONA_FIELDS) as PersonaField[];

type LiveProps = { state: PersonaState; changed: readonly PersonaField[] };

export function Live({ state: { published, versions }, changed }: LiveProps) {
  const since = versions[0];
  return (
    <section
      aria-label="Live"
      className="overflow-hidden rounded-2xl border border-line bg-surface shadow-raised"
    >
      <header className="flex items-center gap-2 border-b border-line px-4 py-3">
        <h3 className="mr-auto text-base font-semibold">Live</h3>
        <Chip tone="good">{published.version === 0 ? "Built in" : `Version ${published.version}`}</Chip>
      </header>
      <dl>
        {FIELDS.map((field) => (
          <div
            key={field}
            className={cx(
              "border-b border-line px-4 py-2.5 last:border-b-0",
              changed.includes(field) && "bg-accent-tint",
            )}
          >
            <dt className="flex items-baseline justify-between gap-2 text-xs text-soft">
              {PERSONA_FIELDS[field]}
              {changed.includes(field) && <span className="text-accent-strong">Differs from the draft</span>}
            </dt>
            <dd dir="auto" className="mt-0.5 max-h-40 overflow-y-auto whitespace-pre-wrap wrap-anywhere">
              {valueOf(published, field) || <span className="text-soft">None</span>}
            </dd>
          </div>
        ))}
      </dl>
      <p className="border-t border-line px-4 py-2.5 text-xs text-soft">
        {since
          ? `Published ${fullTime(since.published_at)}${since.by ? ` by ${since.by}` : ""}.`
          : "Nothing was published yet: the bot speaks as it came."}
      </p>
    </section>
  );
}

function valueOf(persona: Persona, field: PersonaField): string {
  switch (field) {
    case "tone":
      return TONES.find(({ value }) => value === persona.tone)?.name ?? persona.tone;
    case "length":
      return LENGTHS.find(({ value }) => value === persona.length)?.name ?? persona.length;
    case "language":
      return languageText(persona.language);
    case "never_say":
    case "link_hosts":
      return persona[field].join("\n");
    default:
      return persona[field];
  }
}

type HistoryProps = { state: PersonaState; unsaved?: boolean; onRestored?: () => void };

export function History({ state, unsaved = false, onRestored = () => undefined }: HistoryProps) {
  const mayChange = useMayChange();
  const [chosen, setChosen] = useState<number | null>(null);
  const { versions, published, draft } = state;
  const rows = [
    ...versions.map(({ version, published_at, by }) => ({
      version,
      name: `Version ${version}`,
      about: [fullTime(published_at), by].filter(Boolean).join(", "),
    })),
    { version: 0, name: "Built in", about: "How the bot came" },
  ];
  return (
    <section aria-label="History" className="rounded-2xl border border-line bg-surface shadow-raised">
      <h3 className="border-b border-line px-4 py-3 text-base font-semibold">History</h3>
      <ol className="max-h-96 overflow-y-auto">
        {rows.map(({ version, name, about }) => (
          <li
            key={version}
            className="flex items-center gap-2 border-b border-line px-4 py-2.5 last:border-b-0"
          >
            <div className="min-w-0 flex-1">
              <p className="font-medium">{name}</p>
              <p className="text-xs text-soft wrap-anywhere">{about}</p>
            </div>
            {version === published.version ? (
              <Chip tone="good">Live</Chip>
            ) : (
              mayChange && (
                <Button aria-label={`Restore ${name}`} onClick={() => setChosen(version)}>
                  <RotateCcw size={15} aria-hidden /> Restore
                </Button>
              )
            )}
          </li>
        ))}
      </ol>
      {chosen !== null && (
        <Restoring
          version={chosen}
          replaces={unsaved || draft !== null}
          onRestored={onRestored}
          onClose={() => setChosen(null)}
        />
      )}
    </section>
  );
}

type RestoringProps = { version: number; replaces: boolean; onRestored: () => void; onClose: () => void };

function Restoring({ version, replaces, onRestored, onClose }: RestoringProps) {
  const { api } = useOrg();
  const name = version === 0 ? "the built-in persona" : `version ${version}`;
  const restore = usePersonaAct(
    () => api.restorePersona(version),
    `The draft is ${name} now.`,
    () => {
      onRestored();
      onClose();
    },
  );
  return (
    <Ask
      title={`Restore ${name}?`}
      about={`It is copied into the draft${replaces ? ", which it replaces" : ""}. Nothing is live until you publish it.`}
      action={restore.isPending ? "Restoring…" : "Restore"}
      busy={restore.isPending}
      problem={restore.error?.message ?? null}
      onClose={onClose}
      onConfirm={() => restore.mutate(undefined)}
    />
  );
}
