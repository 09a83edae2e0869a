/** What colleagues tell each other and nobody keeps. */
import type { BroadcastEvent } from "@widget/wire";
import { useCallback, useEffect, useRef } from "react";
import { useLive } from "./provider";

export type Broadcast = (event: string, payload: object) => void;

/** Gives the way to say something to all who hear the topic; `hear` is called with what others say. */
export function useRealtimeBroadcast(topic: string, hear?: (said: BroadcastEvent) => void): Broadcast {
  const { realtime } = useLive();
  const latest = useRef(hear);
  useEffect(() => {
    latest.current = hear;
  });
  const listens = hear !== undefined;
  useEffect(() => {
    if (listens) return realtime.onBroadcast(topic, (said) => latest.current?.(said));
    return undefined;
  }, [realtime, topic, listens]);
  return useCallback(
    (event, payload) => {
      // A courtesy: whoever did not hear it misses nothing that is kept.
      realtime.broadcast(topic, event, payload).catch(() => undefined);
    },
    [realtime, topic],
  );
}
