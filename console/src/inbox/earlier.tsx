import { ChevronDown, History } from "lucide-react";
import type { Conversation } from "../wire";

/** For who came back: what was said before this part of the conversation began. */
export function Earlier({ conversation: { episode, earlier_summary } }: { conversation: Conversation }) {
  if (episode < 2 || !earlier_summary) return null;
  return (
    <details className="group shrink-0 border-b border-line bg-surface px-4 py-2">
      <summary className="flex items-center gap-2 text-soft">
        <History size={15} className="shrink-0" aria-hidden />
        <span>
          <span className="font-medium text-ink">The visitor came back.</span> Part {episode} begins anew:
          what was said before
        </span>
        <ChevronDown size={15} className="ml-auto shrink-0 group-open:rotate-180" aria-hidden />
      </summary>
      <p
        dir="auto"
        className="mt-2 max-h-48 overflow-y-auto rounded-lg bg-sunken px-3 py-2 whitespace-pre-line wrap-anywhere"
      >
        {earlier_summary}
      </p>
    </details>
  );
}
