/** Whom a list of present members means. Pure. */
import type { Member } from "@widget/wire";

export type Person = { id: string; name: string };

/** Colleagues beside oneself, by name: the order does not jump when somebody comes or goes. */
export function colleagues(members: readonly Member[], me_id: string): Person[] {
  return members
    .filter(({ key }) => key.startsWith("staff:") && key !== staffKey(me_id))
    .map(({ key, name }) => ({ id: key.slice("staff:".length), name }))
    .sort((a, b) => a.name.localeCompare(b.name) || a.id.localeCompare(b.id));
}

export function isPresent(members: readonly Member[], key: string): boolean {
  return members.some((member) => member.key === key);
}

export function staffKey(id: string): string {
  return `staff:${id}`;
}

export function visitorKey(id: string): string {
  return `visitor:${id}`;
}

/** "Ben", "Ben and Cem", "Ben, Cem and Dee". */
export function named(people: readonly Pick<Person, "name">[]): string {
  const names = people.map(({ name }) => name);
  const last = names.pop() ?? "";
  return names.length === 0 ? last : `${names.join(", ")} and ${last}`;
}
