import { Tag } from "lucide-react";
import { useState } from "react";
import { keys } from "../keys";
import { useAct, useMayChange } from "../knowledge/acting";
import { LabelChips, LabelsDialog } from "../knowledge/label-editor";
import { answeredFrom } from "../knowledge/labels";
import type { Site } from "../knowledge/wire";
import { useOrg } from "../org";
import { Button } from "../parts/button";
import { notify } from "../parts/notices";

/** Which documents a site's visitors are answered from. */
export function SiteLabels({ site }: { site: Site }) {
  const { api, slug } = useOrg();
  const mayChange = useMayChange();
  const [editing, setEditing] = useState(false);
  const save = useAct(
    (labels: string[]) => api.labelSite(site.id, labels),
    [keys.sites(slug), keys.labels(slug), keys.trials(slug)],
    {
      onDone: () => {
        notify(`The labels of ${site.name} were saved.`);
        setEditing(false);
      },
    },
  );
  return (
    <>
      <p className="mb-1.5">{answeredFrom(site.labels)}</p>
      <div className="flex flex-wrap items-center gap-2">
        <LabelChips labels={site.labels} />
        {mayChange && (
          <Button onClick={() => setEditing(true)} aria-label={`Edit the labels of ${site.name}`}>
            <Tag size={15} aria-hidden /> Edit labels
          </Button>
        )}
      </div>
      {editing && (
        <LabelsDialog
          title={`Labels of ${site.name}`}
          labels={site.labels}
          hint={answeredFrom}
          saving={save.isPending}
          onSave={(labels) => save.mutate(labels)}
          onClose={() => setEditing(false)}
        />
      )}
    </>
  );
}
