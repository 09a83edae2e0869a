/** A model to ask, while it is being written. Pure. */
import type { Model, ModelInput } from "./wire";

export const MODEL_CHARS_MAX = 200;
export const URL_CHARS_MAX = 2_000;
export const KEY_CHARS_MAX = 500;
const TEMPERATURE_MAX = 2;
const PRICE_MAX = 1_000_000;

export type Rank = 1 | 2;
export const RANKS: readonly Rank[] = [1, 2];

/** As it stands in the form; `key` is only what is typed: a stored one never comes back. */
export type ModelDraft = {
  model: string;
  base_url: string;
  key: string;
  forget_key: boolean;
  temperature: string;
  input_price: string;
  output_price: string;
};

export type ModelField = Exclude<keyof ModelDraft, "forget_key">;

export function modelDraft(model: Model | null): ModelDraft {
  return {
    model: model?.model ?? "",
    base_url: model?.base_url ?? "",
    key: "",
    forget_key: false,
    temperature: figure(model?.temperature),
    input_price: figure(model?.input_price),
    output_price: figure(model?.output_price),
  };
}

export function sameModel(a: ModelDraft, b: ModelDraft): boolean {
  return (Object.keys(a) as (keyof ModelDraft)[]).every((field) => a[field] === b[field]);
}

/** An absent key keeps the stored one, an empty one removes it. */
export function modelInput(draft: ModelDraft): ModelInput {
  const key = draft.key.trim();
  return {
    model: draft.model.trim(),
    base_url: draft.base_url.trim() || null,
    ...(draft.forget_key ? { key: "" } : key && { key }),
    temperature: number(draft.temperature),
    input_price: number(draft.input_price),
    output_price: number(draft.output_price),
  };
}

/** What is wrong, by field, in the order in which they stand in the form. */
export function modelProblems(draft: ModelDraft): Partial<Record<ModelField, string>> {
  const one = draft.input_price.trim() !== "";
  const other = draft.output_price.trim() !== "";
  const both = "Enter both prices, or none: a cost needs both.";
  return {
    ...(draft.model.trim() === "" && { model: "Enter the model's name as its provider writes it." }),
    ...(draft.base_url.trim() &&
      !/^https?:\/\/\S+$/i.test(draft.base_url.trim()) && {
        base_url: "Enter an address that begins with https://, or nothing for the service's own endpoint.",
      }),
    ...(!/^[\x21-\x7e]*$/.test(draft.key.trim()) && { key: "A key has no spaces and no accents." }),
    ...(!within(draft.temperature, TEMPERATURE_MAX) && {
      temperature: `Enter a figure from 0 to ${TEMPERATURE_MAX}, or nothing for the model's own.`,
    }),
    ...(other && !one && { input_price: both }),
    ...(!within(draft.input_price, PRICE_MAX) && { input_price: "Enter a figure, or nothing." }),
    ...(one && !other && { output_price: both }),
    ...(!within(draft.output_price, PRICE_MAX) && { output_price: "Enter a figure, or nothing." }),
  };
}

const FIELDS: Record<string, ModelField> = { bad_address: "base_url", key_needed: "key" };

/** The field that a refusal is about. */
export function modelFieldOf(code: string): ModelField | null {
  return FIELDS[code] ?? null;
}

/** What is asked in the place of a first model of one's own; `second` is whether there is a second one. */
export function insteadText(install: string, second: boolean): string {
  if (install !== "extractive") return `None is set: the service's own model is asked, ${install}.`;
  if (second) return "None is set: the second one is asked at once.";
  return "None is set: the bot quotes your documents word for word, and no question leaves this service.";
}

export function priceText({
  input_price,
  output_price,
}: Pick<Model, "input_price" | "output_price">): string {
  if (input_price === null || output_price === null) return "not set; costs are not counted";
  return `${figure(input_price)} in, ${figure(output_price)} out, for a million tokens`;
}

/** Its figure, null for an empty field, NaN for what is none; a comma is a point. */
function number(typed: string): number | null {
  const plain = typed.trim().replace(",", ".");
  if (plain === "") return null;
  return /^\d+(\.\d+)?$|^\.\d+$/.test(plain) ? Number(plain) : NaN;
}

function within(typed: string, most: number): boolean {
  const value = number(typed);
  return value === null || (value >= 0 && value <= most);
}

function figure(value: number | null | undefined): string {
  return typeof value === "number" ? `${value}` : "";
}
