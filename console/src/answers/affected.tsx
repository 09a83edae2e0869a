/** Others who were answered from the same passage, and what they are told. */
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Users } from "lucide-react";
import { useState } from "react";
import { keys } from "../keys";
import { counted } from "../knowledge/words";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { Chip } from "../parts/chip";
import { cx } from "../parts/cx";
import { Dialog, SheetBody, SheetFoot } from "../parts/dialog";
import { TextArea } from "../parts/field";
import { More } from "../parts/more";
import { notify } from "../parts/notices";
import { Empty, Failed, Loading } from "../parts/states";
import { useUnsaved } from "../parts/unsaved";
import { fullTime } from "../times";
import type { Message } from "../wire";
import { affectedQuery } from "./queries";
import { affectedName, batches, NOTICE_CHARS_MAX, noticeText, toldText, untold } from "./telling";
import type { Affected } from "./wire";

export function AffectedSheet({ message, onClose }: { message: Message; onClose: () => void }) {
  const list = useInfiniteQuery(affectedQuery(useOrg(), message.id));
  const proposed = noticeText(message.text);
  const [text, setText] = useState(proposed);
  const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
  const tell = useTell(message, onClose);
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  const open = untold(items);
  const ids = open.filter((id) => chosen.has(id));
  // Who got several of these answers is told once.
  const people = new Set(
    items.filter((each) => ids.includes(each.message_id)).map((each) => each.conversation_id),
  ).size;
  const { leave, question } = useUnsaved(text !== proposed || ids.length > 0, onClose);
  return (
    <Dialog
      side
      open
      title="Tell others who got the same"
      about="These answers cite a passage that this one cites too. Read them first: not each of them has to be wrong."
      onClose={leave}
    >
      <SheetBody>
        {!list.data &&
          (list.error ? (
            <Failed error={list.error} onRetry={() => void list.refetch()} />
          ) : (
            <Loading label="Loading the answers" rows={3} />
          ))}
        {list.data && items.length === 0 && (
          <Empty icon={Users} title="Nobody else">
            No other visitor was answered from the same passage.
          </Empty>
        )}
        {open.length > 0 && (
          <Choice
            name={`All ${counted(open.length, "answer")} whose visitor was not told`}
            checked={ids.length === open.length}
            onChange={(on) => setChosen(new Set(on ? open : []))}
          />
        )}
        <ul aria-label="Answers from the same passage" className="mt-2 space-y-2">
          {items.map((each) => (
            <Row
              key={each.message_id}
              affected={each}
              checked={chosen.has(each.message_id)}
              onChange={(on) => setChosen(withOrWithout(chosen, each.message_id, on))}
            />
          ))}
        </ul>
        <More list={list} />
        {open.length > 0 && (
          <TextArea
            label="What they are told"
            className="mt-5"
            rows={7}
            maxLength={NOTICE_CHARS_MAX}
            value={text}
            hint="It is said in your name, once in each of these conversations, also in closed ones. It cannot be taken back."
            problem={tell.error?.message}
            onChange={({ target }) => setText(target.value)}
          />
        )}
      </SheetBody>
      <SheetFoot>
        <Button onClick={leave}>Cancel</Button>
        <Button
          tone="primary"
          disabled={tell.isPending || ids.length === 0 || text.trim() === ""}
          onClick={() => tell.mutate({ ids, text: text.trim() })}
        >
          {tell.isPending ? "Telling…" : people === 0 ? "Tell them" : `Tell ${counted(people, "visitor")}`}
        </Button>
      </SheetFoot>
      {question}
    </Dialog>
  );
}

type RowProps = { affected: Affected; checked: boolean; onChange: (on: boolean) => void };

function Row({ affected, checked, onChange }: RowProps) {
  const { slug } = useOrg();
  const name = affectedName(affected);
  return (
    <li className="flex items-start gap-3 rounded-xl border border-line bg-ground px-3 py-2.5">
      <input
        type="checkbox"
        aria-label={`Tell ${name}${affected.asked ? `, who asked “${affected.asked}”` : ""}`}
        checked={affected.told || checked}
        disabled={affected.told}
        onChange={({ target }) => onChange(target.checked)}
        className="mt-0.5 size-4 shrink-0 accent-accent"
      />
      <div className="min-w-0 flex-1">
        <p dir="auto" className="wrap-anywhere">
          {affected.asked ?? "Nothing was asked before"}
        </p>
        <p className="mt-0.5 flex flex-wrap gap-x-2 text-xs text-soft">
          <Link
            to="/$slug/inbox/$conversationId"
            params={{ slug, conversationId: affected.conversation_id }}
            target="_blank"
            className="text-accent-strong underline underline-offset-2"
          >
            {name}
          </Link>
          <time dateTime={affected.created_at}>{fullTime(affected.created_at)}</time>
        </p>
      </div>
      {affected.told && <Chip tone="good">Told</Chip>}
    </li>
  );
}

function Choice({
  name,
  checked,
  onChange,
}: {
  name: string;
  checked: boolean;
  onChange: (on: boolean) => void;
}) {
  return (
    <label className={cx("flex cursor-pointer items-center gap-3 px-3 font-medium")}>
      <input
        type="checkbox"
        checked={checked}
        onChange={({ target }) => onChange(target.checked)}
        className="size-4 accent-accent"
      />
      {name}
    </label>
  );
}

/** What was sent before a failure stays sent: the list is read again either way. */
function useTell(message: Message, onDone: () => void) {
  const { api, slug } = useOrg();
  const client = useQueryClient();
  return useMutation({
    mutationFn: async ({ ids, text }: { ids: string[]; text: string }) => {
      const told = { sent: 0, skipped: 0 };
      for (const message_ids of batches(ids)) {
        const { sent, skipped } = await api.sendNotices(message.id, { message_ids, text });
        told.sent += sent;
        told.skipped += skipped;
      }
      return told;
    },
    onSuccess: ({ sent, skipped }) => {
      notify(toldText(sent, skipped));
      onDone();
    },
    onSettled: () => {
      void client.invalidateQueries({ queryKey: keys.affected(slug, message.id) });
      void client.invalidateQueries({ queryKey: keys.lists(slug) });
    },
  });
}

function withOrWithout(chosen: ReadonlySet<string>, id: string, on: boolean): Set<string> {
  const next = new Set(chosen);
  if (on) next.add(id);
  else next.delete(id);
  return next;
}
