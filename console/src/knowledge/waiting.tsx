/** Decisions about passages that the document no longer has: they wait, or are let go. */
import { useQuery } from "@tanstack/react-query";
import { Trash2 } from "lucide-react";
import { keys } from "../keys";
import { useOrg } from "../org";
import { IconButton } from "../parts/button";
import { Chip } from "../parts/chip";
import { useAct, useMayChange } from "./acting";
import { Difference } from "./passage";
import { overridesQuery } from "./queries";
import type { Override } from "./wire";
import { counted } from "./words";

export function WaitingOverrides({ documentId }: { documentId: string }) {
  const overrides = useQuery(overridesQuery(useOrg(), documentId));
  const waiting = overrides.data?.items.filter(({ applies }) => !applies) ?? [];
  if (waiting.length === 0) return null;
  return (
    <details className="mb-4 rounded-2xl border border-line bg-surface px-4 py-3 shadow-raised">
      <summary className="font-medium">
        {counted(waiting.length, "change does", "changes do")} not apply any more
      </summary>
      <p className="mt-1 text-soft">
        These were made to passages that the document no longer has in these words. They come back by
        themselves when a version has them again.
      </p>
      <ul className="mt-3 space-y-3">
        {waiting.map((override) => (
          <WaitingOverride key={override.anchor} documentId={documentId} override={override} />
        ))}
      </ul>
    </details>
  );
}

function WaitingOverride({ documentId, override }: { documentId: string; override: Override }) {
  const { api, slug } = useOrg();
  const remove = useAct(
    () => api.removeOverride(documentId, override.anchor),
    [keys.overrides(slug, documentId)],
  );
  return (
    <li className="flex items-start gap-2">
      <div className="min-w-0 flex-1">
        {override.disabled && <Chip tone="warn">Off</Chip>}
        <Difference before={override.original} after={override.text ?? override.original} />
      </div>
      {useMayChange() && (
        <IconButton
          label={`Remove the change to “${override.original.slice(0, 40)}”`}
          disabled={remove.isPending}
          onClick={() => remove.mutate(undefined)}
        >
          <Trash2 size={16} aria-hidden />
        </IconButton>
      )}
    </li>
  );
}
