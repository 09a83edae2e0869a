import { useState } from "react";
import { ApiError } from "../api";
import { keys } from "../keys";
import { useAct } from "../knowledge/acting";
import { SheetForm } from "../knowledge/sheet-form";
import { useOrg } from "../org";
import { TextField } from "../parts/field";
import { notify } from "../parts/notices";
import { Switch } from "../parts/switch";
import { useUnsaved } from "../parts/unsaved";
import {
  KEY_CHARS_MAX,
  MODEL_CHARS_MAX,
  type ModelDraft,
  modelDraft,
  modelFieldOf,
  modelInput,
  modelProblems,
  type Rank,
  sameModel,
  URL_CHARS_MAX,
} from "./model-draft";
import type { Model } from "./wire";

type ModelFormProps = { rank: Rank; name: string; model: Model | null; onClose: () => void };

/** Sets a model or changes it; stands only while it is open. */
export function ModelForm({ rank, name, model, onClose }: ModelFormProps) {
  const { api, slug } = useOrg();
  const [begun] = useState(() => modelDraft(model));
  const [draft, setDraft] = useState(begun);
  const [tried, setTried] = useState(false);
  const { leave, question } = useUnsaved(!sameModel(draft, begun), onClose);
  const save = useAct(() => api.saveModel(rank, modelInput(draft)), [keys.models(slug)], {
    quiet: true,
    onDone: () => {
      notify("The model was saved. Test it before visitors do.");
      onClose();
    },
  });
  const field = save.error instanceof ApiError ? modelFieldOf(save.error.code) : null;
  const problems = {
    ...(tried && modelProblems(draft)),
    ...(field !== null && save.error && { [field]: save.error.message }),
  };
  const change = (changed: Partial<ModelDraft>): void => {
    save.reset();
    setDraft({ ...draft, ...changed });
  };
  const check = (): string | null => {
    setTried(true);
    return Object.keys(modelProblems(draft))[0] ?? null;
  };
  const stored = model?.key_hint ?? null;
  return (
    <SheetForm
      title={name}
      about="It is asked from the next answer on."
      check={check}
      save={{ ...save, error: field === null ? save.error : null }}
      onClose={leave}
    >
      <TextField
        label="Model"
        name="model"
        autoFocus
        autoComplete="off"
        spellCheck={false}
        value={draft.model}
        maxLength={MODEL_CHARS_MAX}
        placeholder="gpt-4.1-mini"
        problem={problems.model}
        hint="As its provider writes it."
        onChange={({ target }) => change({ model: target.value })}
      />
      <TextField
        label="Base URL (optional)"
        name="base_url"
        type="url"
        inputMode="url"
        autoComplete="off"
        spellCheck={false}
        value={draft.base_url}
        maxLength={URL_CHARS_MAX}
        placeholder="https://api.example.com/v1"
        problem={problems.base_url}
        hint="Mostly ends in /v1. Empty: the service's own address, with your key."
        onChange={({ target }) => change({ base_url: target.value })}
      />
      <TextField
        label="Key"
        name="key"
        type="password"
        autoComplete="new-password"
        value={draft.key}
        disabled={draft.forget_key}
        maxLength={KEY_CHARS_MAX}
        placeholder={stored === null ? "" : "Keep the stored one"}
        problem={problems.key}
        hint={
          stored === null
            ? "Stored encrypted, and never shown again."
            : `One${stored === "…" ? "" : ` that ends in ${stored}`} is stored. Enter another to replace it.`
        }
        onChange={({ target }) => change({ key: target.value })}
      />
      {stored !== null && (
        <Switch
          label="Remove the stored key"
          hint="For an endpoint that asks for none."
          on={draft.forget_key}
          onChange={(forget_key) => change({ forget_key, key: "" })}
        />
      )}
      <TextField
        label="Temperature (optional)"
        name="temperature"
        inputMode="decimal"
        autoComplete="off"
        value={draft.temperature}
        problem={problems.temperature}
        hint="From 0 (always alike) to 2 (freely). Empty: the model's own."
        onChange={({ target }) => change({ temperature: target.value })}
      />
      <div className="grid gap-4 sm:grid-cols-2">
        <TextField
          label="Price in (optional)"
          name="input_price"
          inputMode="decimal"
          autoComplete="off"
          value={draft.input_price}
          problem={problems.input_price}
          hint="For a million tokens sent."
          onChange={({ target }) => change({ input_price: target.value })}
        />
        <TextField
          label="Price out (optional)"
          name="output_price"
          inputMode="decimal"
          autoComplete="off"
          value={draft.output_price}
          problem={problems.output_price}
          hint="For a million tokens written."
          onChange={({ target }) => change({ output_price: target.value })}
        />
      </div>
      {question}
    </SheetForm>
  );
}
