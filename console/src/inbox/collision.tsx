/** Says that a colleague writes in the same conversation, before two answers cross. */
import { PenLine } from "lucide-react";
import { named } from "../realtime/people";
import type { Writer } from "./typing";

export function Collision({ writers }: { writers: Writer[] }) {
  const said = collisionWith(writers);
  return (
    <p
      role="status"
      className={said ? "flex items-center gap-2 bg-warn-tint px-4 py-1.5 text-warn" : undefined}
    >
      {said && (
        <>
          <PenLine size={15} className="shrink-0" aria-hidden />
          <span className="min-w-0 wrap-anywhere">{said}</span>
        </>
      )}
    </p>
  );
}

/** The warning, if colleagues write; what goes to the visitor matters more than a note. Pure. */
export function collisionWith(writers: Writer[]): string | null {
  const colleagues = writers.flatMap(({ name, writes }) => (name === null ? [] : [{ name, writes }]));
  const replying = colleagues.filter(({ writes }) => writes === "reply");
  const [who, what] = replying.length > 0 ? [replying, "to the visitor"] : [colleagues, "a note"];
  if (who.length === 0) return null;
  return `${named(who)} ${who.length === 1 ? "is" : "are"} writing ${what}.`;
}
