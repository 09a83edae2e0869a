/** Where the chat stands: the tag to paste, who may load it, and what its visitors are answered from. */
import { useQuery } from "@tanstack/react-query";
import { Check, Copy, ExternalLink, Globe } from "lucide-react";
import { useState } from "react";
import { sitesQuery } from "../knowledge/queries";
import type { Site } from "../knowledge/wire";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { notify } from "../parts/notices";
import { Empty, Failed, Loading } from "../parts/states";
import { SiteLabels } from "./site-labels";

const COPIED_MS = 2_000;

export function SitesScreen() {
  const sites = useQuery(sitesQuery(useOrg()));
  return (
    <div className="h-full overflow-y-auto">
      <header className="px-4 pt-4 pb-3 md:px-6">
        <h2 className="text-lg font-semibold">Sites</h2>
        <p className="text-soft">
          Paste the tag into your pages, before the end of the body. Nothing else is needed.
        </p>
      </header>
      {!sites.data &&
        (sites.error ? (
          <Failed error={sites.error} onRetry={() => void sites.refetch()} />
        ) : (
          <Loading label="Loading sites" rows={2} />
        ))}
      {sites.data?.items.length === 0 && (
        <div className="h-72">
          <Empty icon={Globe} title="No sites yet">
            Make one with the command <code>chatbot site create</code>.
          </Empty>
        </div>
      )}
      <ul className="space-y-4 px-4 pb-6 md:px-6">
        {sites.data?.items.map((site) => (
          <SiteCard key={site.id} site={site} />
        ))}
      </ul>
    </div>
  );
}

function SiteCard({ site }: { site: Site }) {
  return (
    <li className="max-w-3xl rounded-2xl border border-line bg-surface p-4 shadow-raised md:p-5">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <h3 className="text-base font-semibold">{site.name}</h3>
        <a
          href={`/chat/${encodeURIComponent(site.key)}`}
          target="_blank"
          rel="noopener"
          className="inline-flex items-center gap-1.5 font-medium text-accent-strong hover:underline"
        >
          Open the chat by itself <ExternalLink size={14} aria-hidden />
        </a>
      </div>
      <Tag tag={site.tag} />
      <dl className="mt-4 grid gap-x-6 gap-y-3 sm:grid-cols-[8rem_1fr]">
        <dt className="text-soft">Allowed origins</dt>
        <dd>
          <ul className="flex flex-wrap gap-1.5">
            {site.allowed_origins.map((origin) => (
              <li key={origin} className="rounded-md bg-sunken px-2 py-0.5 font-mono text-xs wrap-anywhere">
                {origin}
              </li>
            ))}
            {site.allowed_origins.length === 0 && <li>None: the chat loads nowhere but by itself.</li>}
          </ul>
        </dd>
        <dt className="text-soft">Answered from</dt>
        <dd>
          <SiteLabels site={site} />
        </dd>
        <dt className="text-soft">Greeting</dt>
        <dd dir="auto">{site.greeting}</dd>
        {site.starters.length > 0 && (
          <>
            <dt className="text-soft">First questions</dt>
            <dd>
              <ul className="space-y-1">
                {site.starters.map((starter) => (
                  <li key={starter} dir="auto">
                    {starter}
                  </li>
                ))}
              </ul>
            </dd>
          </>
        )}
      </dl>
    </li>
  );
}

function Tag({ tag }: { tag: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(tag);
      setCopied(true);
      setTimeout(() => setCopied(false), COPIED_MS);
    } catch {
      notify("The browser does not allow copying here. Select the tag and copy it yourself.", { bad: true });
    }
  };
  return (
    <div className="mt-3 flex flex-col items-stretch gap-2 rounded-xl bg-sunken p-3 sm:flex-row sm:items-center">
      <code className="min-w-0 flex-1 font-mono text-xs wrap-anywhere select-all">{tag}</code>
      <Button onClick={() => void copy()}>
        {copied ? <Check size={15} aria-hidden /> : <Copy size={15} aria-hidden />}
        <span aria-live="polite">{copied ? "Copied" : "Copy tag"}</span>
      </Button>
    </div>
  );
}
