/** What a document was before: its versions, and the way back to one of them. */
import { useQuery } from "@tanstack/react-query";
import { RotateCcw } from "lucide-react";
import { useState } from "react";
import { keys } from "../keys";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { Chip } from "../parts/chip";
import { Ask, Dialog, SheetBody } from "../parts/dialog";
import { notify } from "../parts/notices";
import { Failed, Loading } from "../parts/states";
import { fullTime } from "../times";
import { useAct, useMayChange } from "./acting";
import { versionsQuery } from "./queries";
import type { Document, Version } from "./wire";
import { titleOf, versionFacts } from "./words";

type VersionsSheetProps = { document: Document; onClose: () => void };

export function VersionsSheet({ document, onClose }: VersionsSheetProps) {
  const versions = useQuery(versionsQuery(useOrg(), document.id));
  const [chosen, setChosen] = useState<Version | null>(null);
  return (
    <Dialog side open title="Versions" about={titleOf(document)} onClose={onClose}>
      <SheetBody>
        {!versions.data &&
          (versions.error ? (
            <Failed error={versions.error} onRetry={() => void versions.refetch()} />
          ) : (
            <Loading label="Loading versions" rows={3} />
          ))}
        <ol className="space-y-2.5">
          {versions.data?.items.map((version) => (
            <VersionRow key={version.version} version={version} onRestore={() => setChosen(version)} />
          ))}
        </ol>
        {versions.data && (
          <p className="mt-4 text-xs text-soft">
            Only the newest few versions are kept with their bytes. Older ones are listed, but cannot be
            restored.
          </p>
        )}
      </SheetBody>
      {chosen && <Restoring document={document} version={chosen} onClose={() => setChosen(null)} />}
    </Dialog>
  );
}

function VersionRow({ version, onRestore }: { version: Version; onRestore: () => void }) {
  const mayChange = useMayChange();
  return (
    <li className="rounded-xl border border-line bg-ground px-4 py-3">
      <div className="flex flex-wrap items-center gap-2">
        <h3 className="font-semibold">Version {version.version}</h3>
        {version.live && <Chip tone="good">Live</Chip>}
        <time dateTime={version.created_at} className="ml-auto text-xs text-soft">
          {fullTime(version.created_at)}
        </time>
      </div>
      <p className="mt-0.5 text-xs text-soft">{versionFacts(version).join(" · ")}</p>
      {version.restored_from !== null && (
        <p className="mt-0.5 text-xs text-soft">Version {version.restored_from} once more</p>
      )}
      {!version.live && !version.restorable && (
        <p className="mt-2 text-xs text-soft">Its bytes are no longer kept: it cannot be restored.</p>
      )}
      {!version.live && version.restorable && mayChange && (
        <Button className="mt-2.5" onClick={onRestore} aria-label={`Restore version ${version.version}`}>
          <RotateCcw size={15} aria-hidden /> Restore
        </Button>
      )}
    </li>
  );
}

type RestoringProps = { document: Document; version: Version; onClose: () => void };

function Restoring({ document, version, onClose }: RestoringProps) {
  const { api, slug } = useOrg();
  const stale = [keys.documents(slug), keys.document(slug, document.id)];
  const restore = useAct(() => api.restoreVersion(document.id, version.version), stale, {
    quiet: true,
    onDone: () => {
      notify(`Version ${version.version} is read again and then goes live.`);
      onClose();
    },
  });
  return (
    <Ask
      title={`Restore version ${version.version}?`}
      about={`It is read again as version ${document.version + 1}. Until that is done the bot answers from what is live now; nothing is lost.`}
      action={restore.isPending ? "Restoring…" : "Restore version"}
      busy={restore.isPending}
      problem={restore.error?.message ?? null}
      onClose={onClose}
      onConfirm={() => restore.mutate(undefined)}
    />
  );
}
