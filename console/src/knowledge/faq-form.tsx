import { keys } from "../keys";
import { useOrg } from "../org";
import { TextArea, TextField } from "../parts/field";
import { notify } from "../parts/notices";
import { Switch } from "../parts/switch";
import { useAct } from "./acting";
import {
  ANSWER_CHARS_MAX,
  faqDraft,
  faqProblems,
  inputOf,
  QUESTION_CHARS_MAX,
  URL_CHARS_MAX,
} from "./faq-draft";
import { LabelEditor } from "./label-editor";
import { audience } from "./labels";
import { SheetForm, useDraft } from "./sheet-form";
import type { Faq } from "./wire";

/** Writes a question with its answer, a new one or `faq` anew; stands only while it is open. */
export function FaqForm({ faq, onClose }: { faq: Faq | null; onClose: () => void }) {
  const { api, slug } = useOrg();
  const { draft, change, problems, check } = useDraft(() => faqDraft(faq), faqProblems);
  const stale = [keys.faqs(slug), keys.labels(slug), keys.trials(slug)];
  const save = useAct(
    () => (faq ? api.changeFaq(faq.id, inputOf(draft)) : api.addFaq(inputOf(draft))),
    stale,
    {
      quiet: true,
      onDone: () => {
        notify(faq ? "The answer was saved." : "The answer was added.");
        onClose();
      },
    },
  );
  return (
    <SheetForm
      title={faq ? "Edit the answer" : "Add a question and its answer"}
      about="Whoever asks this gets this answer."
      check={check}
      save={save}
      onClose={onClose}
    >
      <TextField
        label="Question"
        name="question"
        autoFocus
        value={draft.question}
        maxLength={QUESTION_CHARS_MAX}
        placeholder="How long may I return something?"
        problem={problems.question}
        onChange={({ target }) => change({ question: target.value })}
      />
      <TextArea
        label="Other ways to ask it"
        name="variants"
        rows={3}
        hint="One on each line. The more ways, the surer the answer is found."
        value={draft.variants}
        problem={problems.variants}
        onChange={({ target }) => change({ variants: target.value })}
      />
      <TextArea
        label="Answer"
        name="answer"
        rows={6}
        maxLength={ANSWER_CHARS_MAX}
        hint="Markdown is shown as such: lists, links, **bold**."
        value={draft.answer}
        problem={problems.answer}
        onChange={({ target }) => change({ answer: target.value })}
      />
      <TextField
        label="Link (optional)"
        name="url"
        type="url"
        inputMode="url"
        maxLength={URL_CHARS_MAX}
        placeholder="https://"
        hint="Where a visitor can read more; it is shown as the source."
        value={draft.url}
        problem={problems.url}
        onChange={({ target }) => change({ url: target.value })}
      />
      <LabelEditor
        draft={draft.labels}
        hint={audience(draft.labels.labels, "given this answer")}
        onChange={(labels) => change({ labels })}
      />
      <Switch
        label="Word for word"
        hint="A question that fits closely gets exactly these words. Otherwise the answer is a source like any other."
        on={draft.word_for_word}
        onChange={(word_for_word) => change({ word_for_word })}
      />
      <Switch
        label="In use"
        hint="Switched off, it is kept here and never answered from."
        on={draft.enabled}
        onChange={(enabled) => change({ enabled })}
      />
    </SheetForm>
  );
}
