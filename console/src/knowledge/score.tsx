/** A figure with its name, and a bar as long as its share of `full`. */
import { cx } from "../parts/cx";
import { length, share } from "./trying";

type ScoreProps = { name: string; value: number; full: number; strong?: boolean };

export function Score({ name, value, full, strong = false }: ScoreProps) {
  return (
    <div className="flex items-center gap-2">
      <dt className="w-14 sm:w-auto">{name}</dt>
      <dd className={cx("w-10 font-semibold tabular-nums", strong && "text-ink")}>{value.toFixed(2)}</dd>
      <dd aria-hidden className="h-1.5 min-w-8 flex-1 overflow-hidden rounded-full bg-sunken">
        <div
          className={cx("h-full rounded-full", strong ? "bg-accent" : "bg-edge")}
          style={{ width: length(share(value, full)) }}
        />
      </dd>
    </div>
  );
}
