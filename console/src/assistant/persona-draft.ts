/** How the bot speaks, while it is being written. Pure. */
import { languageName } from "../answers/words";
import type { Persona, PersonaInput } from "./wire";

export const NAME_CHARS_MAX = 60;
export const INSTRUCTIONS_CHARS_MAX = 4_000;
export const WORDS_MAX = 100;
export const WORD_CHARS_MAX = 60;
export const HOSTS_MAX = 50;
export const HOST_CHARS_MAX = 253;

/** The language of whoever asks. */
export const VISITORS = "visitor";

const OFFERED =
  "ar bg ca cs da de el en es et fa fi fr he hi hr hu id it ja ko lt lv ms nb nl pl pt ro ru sk sl sq sr sv th tr uk vi zh";

export const TONES: readonly { value: Persona["tone"]; name: string }[] = [
  { value: "friendly", name: "Friendly" },
  { value: "neutral", name: "Neutral" },
  { value: "formal", name: "Formal" },
  { value: "playful", name: "Playful" },
];

export const LENGTHS: readonly { value: Persona["length"]; name: string }[] = [
  { value: "short", name: "Short" },
  { value: "medium", name: "Medium" },
  { value: "long", name: "Long" },
];

/** As it stands in the form: words and hosts are lines. */
export type PersonaDraft = Pick<Persona, "name" | "tone" | "length" | "language" | "instructions"> & {
  never_say: string;
  link_hosts: string;
};

export type PersonaField = keyof PersonaDraft;

export function personaDraft(persona: Persona): PersonaDraft {
  const { name, tone, length, language, instructions, never_say, link_hosts } = persona;
  return {
    name,
    tone,
    length,
    language,
    instructions,
    never_say: never_say.join("\n"),
    link_hosts: link_hosts.join("\n"),
  };
}

export function personaInput(draft: PersonaDraft): PersonaInput {
  return {
    ...draft,
    name: draft.name.trim(),
    instructions: draft.instructions.trim(),
    never_say: lines(draft.never_say),
    link_hosts: lines(draft.link_hosts),
  };
}

/** What is wrong, by field, in the order in which they stand in the form. */
export function personaProblems(draft: PersonaDraft): Partial<Record<PersonaField, string>> {
  const words = lines(draft.never_say);
  const hosts = lines(draft.link_hosts);
  return {
    ...(draft.name.trim() === "" && { name: "Give the bot a name; visitors see it above each answer." }),
    ...(words.length > WORDS_MAX && { never_say: `At most ${WORDS_MAX} words or phrases.` }),
    ...(words.some((each) => each.length > WORD_CHARS_MAX) && {
      never_say: `A word or phrase has at most ${WORD_CHARS_MAX} characters.`,
    }),
    ...(hosts.length > HOSTS_MAX && { link_hosts: `At most ${HOSTS_MAX} hosts.` }),
    ...(hosts.some((each) => each.length > HOST_CHARS_MAX || /\s/.test(each)) && {
      link_hosts: "One host on each line, such as docs.example.org, or *.example.org for all below.",
    }),
  };
}

const FIELDS: Record<string, PersonaField> = {
  bad_persona_name: "name",
  bad_persona_style: "tone",
  bad_persona_language: "language",
  persona_instructions_too_long: "instructions",
  too_many_words: "never_say",
  bad_word: "never_say",
  too_many_hosts: "link_hosts",
  bad_host: "link_hosts",
};

/** The field that a refusal is about. */
export function personaFieldOf(code: string): PersonaField | null {
  return FIELDS[code] ?? null;
}

export function samePersona(a: PersonaDraft, b: PersonaDraft): boolean {
  return changedFields(a, b).length === 0;
}

/** In which fields two of them differ once they are stored. */
export function changedFields(a: PersonaDraft, b: PersonaDraft): PersonaField[] {
  const [one, two] = [personaInput(a), personaInput(b)];
  const fields = Object.keys(PERSONA_FIELDS) as PersonaField[];
  return fields.filter((field) => JSON.stringify(one[field]) !== JSON.stringify(two[field]));
}

/** Every field, in the order of the form, with its name. */
export const PERSONA_FIELDS: Record<PersonaField, string> = {
  name: "Name",
  tone: "Tone",
  length: "Length of answers",
  language: "Language",
  instructions: "Instructions",
  never_say: "Words never to say",
  link_hosts: "Hosts it may link to",
};

/** Languages to choose from, with the one that is stored among them. */
export function languages(stored: string): { value: string; name: string }[] {
  const codes = new Set([...OFFERED.split(" "), ...(stored === VISITORS ? [] : [stored])]);
  const named = [...codes].map((value) => ({ value, name: languageText(value) }));
  named.sort((a, b) => a.name.localeCompare(b.name));
  return [{ value: VISITORS, name: languageText(VISITORS) }, ...named];
}

export function languageText(language: string): string {
  return language === VISITORS ? "The language it is asked in" : `Always ${languageName(language)}`;
}

export function lines(typed: string): string[] {
  return [...new Set(typed.split("\n").map((line) => line.trim().replace(/\s+/g, " ")))].filter(Boolean);
}
