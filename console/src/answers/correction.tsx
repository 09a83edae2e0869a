/** An answer written anew, beside the words that stand there now. */
import { Link } from "@tanstack/react-router";
import { useDeferredValue, useState } from "react";
import { Difference } from "../knowledge/passage";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { Dialog, SheetBody, SheetFoot } from "../parts/dialog";
import { TextArea } from "../parts/field";
import { notify } from "../parts/notices";
import { useUnsaved } from "../parts/unsaved";
import type { Message, Source } from "../wire";
import { useReview } from "./reviewing";
import { CORRECTION_CHARS_MAX } from "./telling";

export function CorrectionSheet({ message, onClose }: { message: Message; onClose: () => void }) {
  const [text, setText] = useState(message.text);
  const shown = useDeferredValue(text);
  const review = useReview(message, { quiet: true });
  const same = text.trim() === message.text.trim();
  const { leave, question } = useUnsaved(!same, onClose);
  const save = (): void =>
    review.mutate(
      { kind: "corrected", text: text.trim() },
      {
        onSuccess: () => {
          notify("The answer was corrected.");
          onClose();
        },
      },
    );
  return (
    <Dialog
      side
      open
      title="Correct this answer"
      about="The visitor sees the change at once, in place, marked as corrected by you."
      onClose={leave}
    >
      <SheetBody>
        <TextArea
          label="The answer"
          autoFocus
          rows={10}
          maxLength={CORRECTION_CHARS_MAX}
          value={text}
          hint="Markdown is shown as such. Markers such as [1] name the sources below; any other is left out."
          problem={review.error?.message}
          onChange={({ target }) => setText(target.value)}
        />
        <Markers sources={message.sources} />
        <p className="mt-5 text-xs font-medium text-soft">What changes</p>
        {same ? (
          <p className="mt-1 text-soft">Nothing yet.</p>
        ) : (
          <Difference before={message.text} after={shown} />
        )}
      </SheetBody>
      <SheetFoot>
        <Button onClick={leave}>Cancel</Button>
        <Button tone="primary" disabled={review.isPending || same || text.trim() === ""} onClick={save}>
          {review.isPending ? "Correcting…" : "Correct the answer"}
        </Button>
      </SheetFoot>
      {question}
    </Dialog>
  );
}

/** What the markers name; a correction repairs one answer, its passage would mislead the next visitor too. */
function Markers({ sources }: { sources: Source[] }) {
  const { slug } = useOrg();
  if (sources.length === 0) return null;
  return (
    <div className="mt-3 rounded-lg bg-sunken px-3 py-2 text-xs">
      <ul aria-label="Sources" className="space-y-1">
        {sources.map(({ n, title, heading, document_id, passage_id }) => (
          <li key={n} className="flex gap-2">
            <span className="shrink-0 font-semibold">[{n}]</span>
            <Link
              to="/$slug/knowledge/$documentId"
              params={{ slug, documentId: document_id }}
              search={{ passage: passage_id }}
              target="_blank"
              className="min-w-0 truncate text-accent-strong underline underline-offset-2"
            >
              {[title, heading].filter(Boolean).join(" · ")}
            </Link>
          </li>
        ))}
      </ul>
      <p className="mt-1.5 text-soft">
        Repair the cause too: change the passage or switch it off, or the next visitor is answered from it
        again.
      </p>
    </div>
  );
}
