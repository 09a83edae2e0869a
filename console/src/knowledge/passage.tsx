/** One passage: read, switched off, written anew, put back. */
import { type InfiniteData, useQueryClient } from "@tanstack/react-query";
import { Pencil, Undo2 } from "lucide-react";
import { useDeferredValue, useEffect, useRef, useState } from "react";
import { keys } from "../keys";
import { useOrg } from "../org";
import { Button, IconButton } from "../parts/button";
import { Chip } from "../parts/chip";
import { cx } from "../parts/cx";
import { FIELD } from "../parts/field";
import { notify } from "../parts/notices";
import { Switch } from "../parts/switch";
import type { Page } from "../wire";
import { useAct, useMayChange } from "./acting";
import { diff } from "./diff";
import type { Passage, PassageChange } from "./wire";
import { counted } from "./words";

const TEXT_CHARS_MAX = 4_000;

export function PassageCard({ passage, wanted }: { passage: Passage; wanted: boolean }) {
  const [editing, setEditing] = useState(false);
  const mayChange = useMayChange() && passage.kind !== "faq";
  const change = usePassageChange(passage);
  const card = useRef<HTMLLIElement>(null);
  useEffect(() => {
    if (wanted) card.current?.scrollIntoView({ block: "center" });
  }, [wanted]);
  return (
    <li
      ref={card}
      aria-label={`Passage ${passage.ord + 1}`}
      aria-current={wanted ? "true" : undefined}
      className={cx(
        "rounded-2xl border px-4 py-3",
        wanted ? "border-accent bg-accent-tint" : "border-line bg-surface shadow-raised",
      )}
    >
      <div className="mb-1.5 flex items-center gap-2">
        <PassagePlace passage={passage} />
        {passage.original !== null && <Chip tone="accent">Edited</Chip>}
        {passage.disabled && <Chip tone="warn">Off</Chip>}
        {mayChange && !editing && (
          <IconButton
            label={`Edit passage ${passage.ord + 1}`}
            className="-my-1.5"
            onClick={() => setEditing(true)}
          >
            <Pencil size={15} aria-hidden />
          </IconButton>
        )}
        {mayChange && (
          <Switch
            bare
            label={`Use passage ${passage.ord + 1}`}
            on={!passage.disabled}
            disabled={change.isPending}
            onChange={(on) => change.mutate({ disabled: !on })}
          />
        )}
      </div>
      {editing ? (
        <Editor passage={passage} change={change} onClose={() => setEditing(false)} />
      ) : (
        <Words passage={passage} />
      )}
    </li>
  );
}

function PassagePlace({ passage: { ord, heading, page, tokens } }: { passage: Passage }) {
  return (
    <div className="flex min-w-0 flex-1 flex-wrap items-baseline gap-x-3 text-xs text-soft">
      <span className="font-semibold tabular-nums">{ord + 1}</span>
      {heading && (
        <span dir="auto" className="max-w-full min-w-0 font-medium wrap-anywhere text-ink">
          {heading}
        </span>
      )}
      {page !== null && <span>page {page}</span>}
      <span>{counted(tokens, "token")}</span>
    </div>
  );
}

function Words({ passage: { text, original, disabled } }: { passage: Passage }) {
  return (
    <>
      <p
        dir="auto"
        className={cx(
          "whitespace-pre-wrap wrap-anywhere",
          disabled && "text-soft line-through decoration-edge/60",
        )}
      >
        {text}
      </p>
      {original !== null && (
        <details className="mt-2">
          <summary className="text-xs font-medium text-accent-strong">As read in the document</summary>
          <Difference before={original} after={text} />
        </details>
      )}
    </>
  );
}

type EditorProps = {
  passage: Passage;
  change: ReturnType<typeof usePassageChange>;
  onClose: () => void;
};

function Editor({ passage, change, onClose }: EditorProps) {
  const read = passage.original ?? passage.text;
  const [text, setText] = useState(passage.text);
  const shown = useDeferredValue(text);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus(), []);
  const save = (next: string | null): void => change.mutate({ text: next }, { onSuccess: onClose });
  const same = text.trim() === passage.text.trim();
  return (
    <div>
      <textarea
        ref={field}
        dir="auto"
        rows={Math.min(Math.max(Math.ceil(text.length / 70), 4), 14)}
        maxLength={TEXT_CHARS_MAX}
        value={text}
        aria-label={`Text of passage ${passage.ord + 1}`}
        onChange={({ target }) => setText(target.value)}
        onKeyDown={({ key }) => key === "Escape" && same && onClose()}
        className={cx(FIELD, "block border-edge py-2")}
      />
      <p className="mt-2 text-xs font-medium text-soft">As read in the document</p>
      <Difference before={read} after={shown} />
      <div className="mt-3 flex flex-wrap justify-end gap-2">
        {passage.original !== null && (
          <Button tone="quiet" className="mr-auto" disabled={change.isPending} onClick={() => save(null)}>
            <Undo2 size={15} aria-hidden /> Put back what was read
          </Button>
        )}
        <Button disabled={change.isPending} onClick={onClose}>
          Cancel
        </Button>
        <Button
          tone="primary"
          disabled={change.isPending || same || text.trim() === ""}
          onClick={() => save(text.trim() === read.trim() ? null : text)}
        >
          {change.isPending ? "Saving…" : "Save"}
        </Button>
      </div>
    </div>
  );
}

/** `before`, with what `after` leaves out struck and what it adds marked. */
export function Difference({ before, after }: { before: string; after: string }) {
  return (
    <p dir="auto" className="mt-1 rounded-lg bg-sunken px-3 py-2 whitespace-pre-wrap wrap-anywhere text-soft">
      {diff(before, after).map((piece, place) => {
        if (piece.kind === "same") return <span key={place}>{piece.text}</span>;
        if (piece.kind === "gone") {
          return (
            <del key={place} className="bg-bad-tint text-bad">
              {piece.text}
            </del>
          );
        }
        return (
          <ins key={place} className="bg-good-tint text-good no-underline">
            {piece.text}
          </ins>
        );
      })}
    </p>
  );
}

/** The changed passage stands in the list at once; the rest of the list is not read again for it. */
function usePassageChange(passage: Passage) {
  const { api, slug } = useOrg();
  const client = useQueryClient();
  const queryKey = keys.passages(slug, passage.document_id);
  return useAct(
    (change: PassageChange) => api.changePassage(passage.id, change),
    [keys.overrides(slug, passage.document_id), keys.trials(slug)],
    {
      onDone: (changed, { disabled, text }) => {
        client.setQueriesData<InfiniteData<Page<Passage>>>(
          { queryKey },
          (data) =>
            data && { ...data, pages: data.pages.map((page) => withPassage(page, passage.id, changed)) },
        );
        if (disabled !== undefined)
          notify(disabled ? "The passage is switched off." : "The passage is used again.");
        else notify(text === null ? "The passage is as it was read." : "The passage was saved.");
      },
    },
  );
}

function withPassage(page: Page<Passage>, id: string, changed: Passage): Page<Passage> {
  return { ...page, items: page.items.map((each) => (each.id === id ? changed : each)) };
}
