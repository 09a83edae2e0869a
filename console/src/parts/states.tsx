/** What stands where something else is missing: nothing there, still loading, failed. */
import type { LucideIcon } from "lucide-react";
import { TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { Button } from "./button";
import { cx } from "./cx";

export function Empty({
  icon: Icon,
  title,
  children,
}: {
  icon: LucideIcon;
  title: string;
  children?: ReactNode;
}) {
  return (
    <div className="flex h-full flex-col items-center justify-center gap-1 p-8 text-center">
      <Icon size={28} strokeWidth={1.5} className="mb-2 text-edge" aria-hidden />
      <p className="font-medium">{title}</p>
      {children && <div className="max-w-xs text-soft">{children}</div>}
    </div>
  );
}

export function Failed({ error, onRetry }: { error: Error; onRetry: () => void }) {
  return (
    <div role="alert" className="flex flex-col items-center gap-3 p-8 text-center">
      <TriangleAlert size={26} strokeWidth={1.5} className="text-bad" aria-hidden />
      <p className="max-w-sm text-soft">{error.message}</p>
      <Button onClick={onRetry}>Try again</Button>
    </div>
  );
}

/** Grey bars in the place of rows to come. */
export function Loading({ rows = 5, label }: { rows?: number; label: string }) {
  return (
    <div role="status" aria-label={label} className="flex flex-col gap-4 p-4">
      {Array.from({ length: rows }, (_, row) => (
        <div key={row} className="flex gap-3">
          <div className="size-9 rounded-full bg-sunken" />
          <div className="flex-1 space-y-2 pt-1">
            <div className={cx("h-3 rounded bg-sunken", row % 2 ? "w-1/3" : "w-2/5")} />
            <div className={cx("h-3 rounded bg-sunken", row % 2 ? "w-4/5" : "w-2/3")} />
          </div>
        </div>
      ))}
    </div>
  );
}
