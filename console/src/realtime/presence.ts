/** Who is on a topic now, and that one is there oneself. */
import type { Presence } from "@widget/realtime/client";
import type { Member, PresenceState } from "@widget/wire";
import { useCallback, useEffect, useState, useSyncExternalStore } from "react";
import { useLive } from "./provider";
import { useRealtimeSubscription } from "./subscription";

/**
 * The members of the topic, kept up to date. With a `state` one is a member too, in that state; with null one
 * only looks. It is null while the topic is not joined, without a connection or because it is paused or refused:
 * nobody can say then who is there.
 */
export function useRealtimePresence(topic: string, state: PresenceState | null): readonly Member[] | null {
  const { realtime } = useLive();
  const [presence, setPresence] = useState<Presence | null>(null);
  const isIn = useIsIn(topic);
  useEffect(() => {
    const opened = realtime.presence(topic);
    setPresence(opened);
    return () => {
      opened.end();
      setPresence(null);
    };
  }, [realtime, topic]);
  const said = JSON.stringify(state);
  useEffect(() => {
    const wanted = JSON.parse(said) as PresenceState | null;
    if (wanted === null) presence?.withdraw();
    else presence?.announce(wanted);
  }, [presence, said]);
  const members = useSyncExternalStore(
    useCallback((changed) => presence?.onMembers(changed) ?? (() => undefined), [presence]),
    () => presence?.members() ?? null,
  );
  return isIn ? members : null;
}

/** Whether the server has us in the topic. One that is paused while we are in it goes on telling who is there. */
function useIsIn(topic: string): boolean {
  const { realtime } = useLive();
  const [isIn, setIsIn] = useState(false);
  useRealtimeSubscription(topic, {
    signal: () => undefined,
    refetch: () => undefined,
    joined: () => setIsIn(true),
    refused: () => setIsIn(false),
  });
  useEffect(() => {
    const stop = realtime.onStatus((status) => {
      if (status !== "connected") setIsIn(false);
    });
    return () => {
      stop();
      setIsIn(false);
    };
  }, [realtime, topic]);
  return isIn;
}
