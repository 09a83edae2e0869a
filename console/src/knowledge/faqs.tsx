/** Questions with answers written by hand. */
import { useInfiniteQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { Download, MessageCircleQuestion, Pencil, Plus, Quote, Search, Trash2, Upload } from "lucide-react";
import { useEffect, useState } from "react";
import { keys } from "../keys";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { Chip } from "../parts/chip";
import { cx } from "../parts/cx";
import { Ask } from "../parts/dialog";
import { Menu, MenuItem } from "../parts/menu";
import { More } from "../parts/more";
import { Empty, Failed, Loading } from "../parts/states";
import { Switch } from "../parts/switch";
import { useFresh } from "../realtime/subscription";
import { topics } from "../realtime/topics";
import { useAct, useMayChange } from "./acting";
import { withoutId } from "./faq-draft";
import { FaqForm } from "./faq-form";
import { FaqImport } from "./faq-import";
import { LabelChips } from "./label-editor";
import { faqsQuery } from "./queries";
import { saveAs } from "./saving";
import type { Faq } from "./wire";
import { counted } from "./words";

const route = getRouteApi("/$slug/knowledge/faqs");

const TYPING_MS = 250;
const WORDS_CHARS_MAX = 200;

type Opened = { what: "form"; faq: Faq | null } | { what: "delete"; faq: Faq } | { what: "import" };

export function FaqsScreen() {
  const org = useOrg();
  const mayChange = useMayChange();
  const { q = "" } = route.useSearch();
  const [typed, setTyped] = useState(q);
  const words = useSettled(typed.trim(), TYPING_MS);
  const [opened, setOpened] = useState<Opened | null>(null);
  useFresh(topics.knowledge(org.me.org.id), keys.faqs(org.slug));
  const close = (): void => setOpened(null);
  return (
    <section aria-label="Questions and answers" className="h-full overflow-y-auto">
      <div className="mx-auto max-w-5xl px-4 pb-6 md:px-6">
        <header className="flex flex-wrap items-center gap-2 py-4">
          <div className="relative basis-full sm:flex-1 sm:basis-52">
            <Search size={16} aria-hidden className="absolute top-2.5 left-3 text-soft" />
            <input
              type="search"
              value={typed}
              maxLength={WORDS_CHARS_MAX}
              aria-label="Search questions and answers"
              placeholder="Search questions and answers"
              onChange={({ target }) => setTyped(target.value)}
              className="h-9 w-full rounded-lg border border-edge bg-surface pr-3 pl-9 placeholder:text-soft"
            />
          </div>
          <Exporting />
          {mayChange && (
            <>
              <Button onClick={() => setOpened({ what: "import" })}>
                <Upload size={16} aria-hidden /> Import
              </Button>
              <Button
                tone="primary"
                aria-label="Add a question"
                onClick={() => setOpened({ what: "form", faq: null })}
              >
                <Plus size={16} aria-hidden /> Add
              </Button>
            </>
          )}
        </header>
        <FaqList words={words} onOpen={setOpened} />
      </div>
      {opened?.what === "form" && <FaqForm faq={opened.faq} onClose={close} />}
      {opened?.what === "import" && <FaqImport onClose={close} />}
      {opened?.what === "delete" && <FaqRemoval faq={opened.faq} onClose={close} />}
    </section>
  );
}

function FaqList({ words, onOpen }: { words: string; onOpen: (opened: Opened) => void }) {
  const mayChange = useMayChange();
  const list = useInfiniteQuery(faqsQuery(useOrg(), words));
  if (!list.data) {
    if (list.error) return <Failed error={list.error} onRetry={() => void list.refetch()} />;
    return <Loading label="Loading questions" />;
  }
  const faqs = list.data.pages.flatMap((page) => page.items);
  if (faqs.length === 0 && words) {
    return (
      <p role="status" className="p-8 text-center text-soft">
        No question or answer has “{words}” in it.
      </p>
    );
  }
  if (faqs.length === 0) {
    return (
      <div className="h-72">
        <Empty icon={MessageCircleQuestion} title="No questions and answers yet">
          {mayChange
            ? "Write the answers that matter most yourself: the bot gives them before anything else. Add one, or import a table."
            : "An administrator can write some."}
        </Empty>
      </div>
    );
  }
  return (
    <>
      <ul
        className={cx(
          "overflow-hidden rounded-2xl border border-line bg-surface shadow-raised",
          list.isPlaceholderData && "opacity-60",
        )}
      >
        {faqs.map((faq) => (
          <FaqRow key={faq.id} faq={faq} onOpen={onOpen} />
        ))}
      </ul>
      <More list={list} />
    </>
  );
}

function FaqRow({ faq, onOpen }: { faq: Faq; onOpen: (opened: Opened) => void }) {
  const { api, slug } = useOrg();
  const mayChange = useMayChange();
  const turn = useAct(
    (enabled: boolean) => api.changeFaq(faq.id, { ...withoutId(faq), enabled }),
    [keys.faqs(slug), keys.trials(slug)],
  );
  return (
    <li className="flex items-start gap-3 border-b border-line px-4 py-3 last:border-b-0">
      <div className="min-w-0 flex-1">
        <h3 dir="auto" className={cx("font-medium wrap-anywhere", !faq.enabled && "text-soft")}>
          {faq.question}
        </h3>
        <p dir="auto" className="mt-0.5 line-clamp-2 wrap-anywhere text-soft">
          {faq.answer}
        </p>
        <div className="mt-1.5 flex flex-wrap items-center gap-1.5 text-xs text-soft">
          {faq.word_for_word && (
            <Chip tone="accent">
              <Quote size={11} aria-hidden /> Word for word
            </Chip>
          )}
          {!faq.enabled && <Chip tone="warn">Off</Chip>}
          <LabelChips labels={faq.labels} />
          {faq.variants.length > 0 && (
            <span>{counted(faq.variants.length, "other way to ask it", "other ways to ask it")}</span>
          )}
        </div>
      </div>
      {mayChange && (
        <>
          <Switch
            bare
            label={`Use “${faq.question}”`}
            on={faq.enabled}
            disabled={turn.isPending}
            onChange={(on) => turn.mutate(on)}
          />
          <Menu label={`More about “${faq.question}”`} className="-my-1.5 -mr-2">
            <MenuItem icon={Pencil} onSelect={() => onOpen({ what: "form", faq })}>
              Edit
            </MenuItem>
            <MenuItem icon={Trash2} danger onSelect={() => onOpen({ what: "delete", faq })}>
              Delete
            </MenuItem>
          </Menu>
        </>
      )}
    </li>
  );
}

function FaqRemoval({ faq, onClose }: { faq: Faq; onClose: () => void }) {
  const { api, slug } = useOrg();
  const stale = [keys.faqs(slug), keys.labels(slug), keys.trials(slug)];
  const remove = useAct(() => api.removeFaq(faq.id), stale, { quiet: true, onDone: onClose });
  return (
    <Ask
      title="Delete this question and its answer?"
      about={`“${faq.question}” The bot stops giving this answer at once. To keep it for later, switch it off instead.`}
      action={remove.isPending ? "Deleting…" : "Delete"}
      danger
      busy={remove.isPending}
      problem={remove.error?.message ?? null}
      onClose={onClose}
      onConfirm={() => remove.mutate(undefined)}
    />
  );
}

function Exporting() {
  const { api, slug } = useOrg();
  const take = useAct(() => api.exportFaqs(), [], {
    onDone: (table) => saveAs(table, `questions-${slug}.csv`),
  });
  return (
    <Button disabled={take.isPending} onClick={() => take.mutate(undefined)}>
      <Download size={16} aria-hidden /> {take.isPending ? "Exporting…" : "Export"}
    </Button>
  );
}

/** `value` once it has not changed for a while. */
function useSettled(value: string, after_ms: number): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), after_ms);
    return () => clearTimeout(timer);
  }, [value, after_ms]);
  return settled;
}
