import { cost } from "../answers/words";
import { length, share } from "../knowledge/trying";
import { dayText, type Measure, most } from "./budget-draft";
import type { Day } from "./wire";

/** What the last days took, the latest first: figures, and bars to compare them by. */
export function Days({ days }: { days: readonly Day[] }) {
  return (
    <section
      aria-labelledby="days"
      className="overflow-hidden rounded-2xl border border-line bg-surface shadow-raised"
    >
      <h3 id="days" className="border-b border-line px-4 py-3 text-base font-semibold">
        The last {days.length} days
      </h3>
      <table className="w-full border-collapse">
        <thead>
          <tr className="text-xs text-soft">
            <th scope="col" className="px-4 py-2 text-start font-medium">
              Day
            </th>
            <th scope="col" className="px-2 py-2 text-end font-medium">
              Answers
            </th>
            <th scope="col" className="px-2 py-2 text-end font-medium">
              Tokens
            </th>
            <th scope="col" className="px-4 py-2 text-end font-medium">
              Cost
            </th>
          </tr>
        </thead>
        <tbody>
          {days.map((day) => (
            <tr key={day.day} className="border-t border-line">
              <th scope="row" className="px-4 py-1.5 text-start font-normal whitespace-nowrap">
                {dayText(day.day)}
              </th>
              <Amount day={day} days={days} measure="answers" />
              <Amount day={day} days={days} measure="tokens" />
              <td className="px-4 py-1.5 text-end tabular-nums">
                {typeof day.cost === "number" ? cost(day.cost) : <span className="text-soft">–</span>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function Amount({ day, days, measure }: { day: Day; days: readonly Day[]; measure: Measure }) {
  const value = day[measure];
  return (
    <td className="px-2 py-1.5">
      <div className="flex items-center justify-end gap-3">
        <span aria-hidden className="hidden h-1.5 flex-1 overflow-hidden rounded-full bg-sunken sm:block">
          <span
            className="block h-full rounded-full bg-accent"
            style={{ width: length(share(value, most(days, measure))) }}
          />
        </span>
        <span className="min-w-10 text-end tabular-nums">{value.toLocaleString()}</span>
      </div>
    </td>
  );
}
