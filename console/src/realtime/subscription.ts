/** Hearing a topic while a component is on screen. */
import { hashKey, type QueryKey } from "@tanstack/react-query";
import type { TopicListener } from "@widget/realtime/client";
import { useEffect, useRef } from "react";
import { useLive } from "./provider";

/**
 * Passes the topic's signals to `handler.signal`, each once. `handler.refetch` is called when the state is to
 * be read anew: after joining, after a gap that cannot be closed, and again and again without a connection.
 */
export function useRealtimeSubscription(topic: string, handler: TopicListener): void {
  const { realtime } = useLive();
  const latest = useRef(handler);
  useEffect(() => {
    latest.current = handler;
  });
  useEffect(
    () =>
      realtime.join(topic, {
        signal: (signal) => latest.current.signal(signal),
        shows: (signal) => latest.current.shows?.(signal),
        refetch: (why) => latest.current.refetch(why),
        joined: () => latest.current.joined?.(),
        refused: (code) => latest.current.refused?.(code),
      }),
    [realtime, topic],
  );
}

/** Keeps what is in the cache under `key` as fresh as the topic says. */
export function useFresh(topic: string, key: QueryKey): void {
  const live = useLive();
  const latest = useRef(key);
  latest.current = key;
  const hash = hashKey(key);
  useEffect(() => live.keepFresh(topic, latest.current), [live, topic, hash]);
}
