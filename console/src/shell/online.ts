/** Who of the organisation has the console open: colleagues, and oneself. */
import { useOrg } from "../org";
import { colleagues, isPresent, type Person, staffKey } from "../realtime/people";
import { useRealtimePresence } from "../realtime/presence";
import { topics } from "../realtime/topics";

/** Says that one is here, as long as the component is on screen. */
export function useBeOnline(): void {
  useRealtimePresence(topics.inbox(useOrg().me.org.id), {});
}

/** `me`: whether others see that one is here. Null while there is no connection to know it by. */
export function useOnline(): { me: boolean; others: Person[] } | null {
  const { me } = useOrg();
  const members = useRealtimePresence(topics.inbox(me.org.id), null);
  if (!members) return null;
  return { me: isPresent(members, staffKey(me.staff.id)), others: colleagues(members, me.staff.id) };
}
