/** Who is here, as a few faces and how many more. */
import { Avatar } from "../parts/avatar";
import { cx } from "../parts/cx";
import { named, type Person } from "./people";

const FACES_MAX = 4;
const NAMES_MAX = 12;

type PresenceAvatarsProps = {
  people: Person[];
  /** What they have in common: "Online", "Also here". */
  label: string;
  /** The side on which the tooltip has room. */
  align?: "start" | "end";
  className?: string;
};

/** Nothing when nobody is there. The names stand in the tooltip, by pointer, key or touch, and are said. */
export function PresenceAvatars({ people, label, align = "start", className }: PresenceAvatarsProps) {
  if (people.length === 0) return null;
  const more = people.length - FACES_MAX;
  return (
    <div
      role="img"
      aria-label={`${label}: ${named(people)}`}
      tabIndex={0}
      className={cx("group relative flex shrink-0 items-center rounded-full", className)}
    >
      {people.slice(0, FACES_MAX).map(({ id, name }) => (
        <span key={id} className="-ms-1.5 flex rounded-full bg-surface p-0.5 first:ms-0">
          <Avatar kind="staff" id={id} name={name} small />
        </span>
      ))}
      {more > 0 && <span className="ms-0.5 text-xs font-semibold text-soft tabular-nums">+{more}</span>}
      <div
        className={cx(
          "invisible absolute top-full z-30 mt-1.5 w-max max-w-56 rounded-lg bg-ink px-2.5 py-1.5 text-xs text-surface shadow-float group-hover:visible group-focus:visible",
          align === "end" ? "end-0" : "start-0",
        )}
      >
        <p className="font-semibold">{label}</p>
        <ul>
          {people.slice(0, NAMES_MAX).map(({ id, name }) => (
            <li key={id} className="truncate">
              {name}
            </li>
          ))}
          {people.length > NAMES_MAX && <li>and {people.length - NAMES_MAX} more</li>}
        </ul>
      </div>
    </div>
  );
}
