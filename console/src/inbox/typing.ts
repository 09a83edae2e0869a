/** Who types, told and heard. A lost "off" does no harm: it ends by itself. */
import { type Clock, browserClock } from "@widget/realtime/clock";
import { useEffect, useMemo, useState } from "react";
import { useOrg } from "../org";
import type { Typing } from "../wire";

const REPEAT_MS = 3_000;
const IDLE_MS = 4_000;
const HEARD_MS = 6_000;

export type TypingTeller = { key(): void; stop(): void };

/** Says `on` while keys are pressed, at most every three seconds, and `off` when they rest. */
export function tellTyping(tell: (on: boolean) => void, clock: Clock): TypingTeller {
  let told_at: number | null = null;
  let cancel: () => void = () => undefined;
  const stop = (): void => {
    cancel();
    if (told_at === null) return;
    told_at = null;
    tell(false);
  };
  const key = (): void => {
    cancel();
    cancel = clock.after(IDLE_MS, stop);
    if (told_at !== null && clock.now() - told_at < REPEAT_MS) return;
    told_at = clock.now();
    tell(true);
  };
  return { key, stop };
}

export function useTellTyping(conversation_id: string): TypingTeller {
  const { realtime } = useOrg().live;
  const teller = useMemo(
    () =>
      tellTyping((on) => {
        // Nobody is harmed when it does not arrive.
        realtime.call("typing", { conversation_id, on }).catch(() => undefined);
      }, browserClock),
    [realtime, conversation_id],
  );
  useEffect(() => () => teller.stop(), [teller]);
  return teller;
}

export function useTyping(conversation_id: string): string[] {
  const { live, me } = useOrg();
  const [names, setNames] = useState<ReadonlyMap<string, string>>(new Map());
  useEffect(() => {
    const timers = new Map<string, ReturnType<typeof setTimeout>>();
    const set = (who: string, name: string | null): void => {
      clearTimeout(timers.get(who));
      setNames((before) => {
        const after = new Map(before);
        if (name === null) after.delete(who);
        else after.set(who, name);
        return after;
      });
      if (name !== null)
        timers.set(
          who,
          setTimeout(() => set(who, null), HEARD_MS),
        );
    };
    const hear = ({ conversation_id: where, kind, name, on }: Typing): void => {
      if (where !== conversation_id || (kind === "staff" && name === me.staff.name)) return;
      set(`${kind}:${name ?? ""}`, on ? name || (kind === "visitor" ? "The visitor" : "A colleague") : null);
    };
    const stop = live.realtime.on("typing", hear);
    return () => {
      stop();
      timers.forEach((timer) => clearTimeout(timer));
      setNames(new Map());
    };
  }, [live, me, conversation_id]);
  return [...names.values()];
}
