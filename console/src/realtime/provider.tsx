/** Gives one live connection to everything below it, for as long as that is on screen. */
import { createContext, type ReactNode, use, useEffect } from "react";
import type { Live } from "./live";

const RealtimeContext = createContext<Live | null>(null);

export function RealtimeProvider({ live, children }: { live: Live; children: ReactNode }) {
  useEffect(() => {
    live.realtime.start();
    return () => live.realtime.stop();
  }, [live]);
  return <RealtimeContext value={live}>{children}</RealtimeContext>;
}

export function useLive(): Live {
  const live = use(RealtimeContext);
  if (!live) throw new Error("useLive outside of a RealtimeProvider");
  return live;
}
