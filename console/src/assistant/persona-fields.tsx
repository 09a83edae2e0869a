import { SelectField, TextArea, TextField } from "../parts/field";
import {
  HOSTS_MAX,
  INSTRUCTIONS_CHARS_MAX,
  languages,
  LENGTHS,
  lines,
  NAME_CHARS_MAX,
  PERSONA_FIELDS,
  type PersonaDraft,
  TONES,
  WORDS_MAX,
} from "./persona-draft";

type PersonaFieldsProps = {
  draft: PersonaDraft;
  problems: Partial<Record<keyof PersonaDraft, string>>;
  onChange: (changed: Partial<PersonaDraft>) => void;
};

export function PersonaFields({ draft, problems, onChange }: PersonaFieldsProps) {
  return (
    <div className="grid gap-4 p-4 sm:grid-cols-2">
      <TextField
        label={PERSONA_FIELDS.name}
        value={draft.name}
        maxLength={NAME_CHARS_MAX}
        problem={problems.name}
        hint="What the bot calls itself, and what stands above its answers in the inbox."
        onChange={({ target }) => onChange({ name: target.value })}
      />
      <SelectField
        label={PERSONA_FIELDS.language}
        value={draft.language}
        options={languages(draft.language)}
        problem={problems.language}
        hint="What is quoted stays in the language of its document."
        onChange={(language) => onChange({ language })}
      />
      <SelectField
        label={PERSONA_FIELDS.tone}
        value={draft.tone}
        options={TONES}
        problem={problems.tone}
        onChange={(tone) => onChange({ tone })}
      />
      <SelectField
        label={PERSONA_FIELDS.length}
        value={draft.length}
        options={LENGTHS}
        problem={problems.length}
        onChange={(length) => onChange({ length })}
      />
      <TextArea
        label={PERSONA_FIELDS.instructions}
        className="sm:col-span-2"
        rows={8}
        value={draft.instructions}
        maxLength={INSTRUCTIONS_CHARS_MAX}
        problem={problems.instructions}
        hint={
          <Counted text={draft.instructions} most={INSTRUCTIONS_CHARS_MAX}>
            Whom it speaks to, what matters, when to offer a person. Facts belong in the knowledge base.
          </Counted>
        }
        onChange={({ target }) => onChange({ instructions: target.value })}
      />
      <TextArea
        label={PERSONA_FIELDS.never_say}
        rows={4}
        value={draft.never_say}
        problem={problems.never_say}
        hint={`One word or phrase on each line; ${lines(draft.never_say).length} of at most ${WORDS_MAX}.`}
        onChange={({ target }) => onChange({ never_say: target.value })}
      />
      <TextArea
        label={PERSONA_FIELDS.link_hosts}
        rows={4}
        value={draft.link_hosts}
        problem={problems.link_hosts}
        placeholder="docs.example.org"
        hint={`One on each line, *. before one for all below it; ${lines(draft.link_hosts).length} of at most ${HOSTS_MAX}. Your own sites and sources are always allowed.`}
        onChange={({ target }) => onChange({ link_hosts: target.value })}
      />
    </div>
  );
}

function Counted({ text, most, children }: { text: string; most: number; children: string }) {
  return (
    <span className="flex gap-3">
      <span className="flex-1">{children}</span>
      <span className="shrink-0 tabular-nums">
        {text.length.toLocaleString()} of {most.toLocaleString()}
      </span>
    </span>
  );
}
