/** The organisation one works in: who one is there, how to call it, what is live. */
import { useQueryClient } from "@tanstack/react-query";
import type { Status } from "@widget/realtime/client";
import { createContext, type ReactNode, use, useEffect, useMemo, useSyncExternalStore } from "react";
import { orgApi, type OrgApi } from "./api";
import { type Live, openLive } from "./live";
import type { Me } from "./wire";

export type Org = { slug: string; me: Me; api: OrgApi; live: Live };

export const OrgContext = createContext<Org | null>(null);

export function useOrg(): Org {
  const org = use(OrgContext);
  if (!org) throw new Error("useOrg outside of an organisation");
  return org;
}

export function OrgProvider({ me, children }: { me: Me; children: ReactNode }) {
  const client = useQueryClient();
  const slug = me.org.slug;
  const org = useMemo((): Org => {
    const api = orgApi(slug);
    return { slug, me, api, live: openLive({ slug, api, client }) };
  }, [slug, me, client]);
  useEffect(() => {
    const { live } = org;
    const retry = (): void => live.realtime.retry();
    live.start();
    window.addEventListener("online", retry);
    window.addEventListener("focus", retry);
    return () => {
      window.removeEventListener("online", retry);
      window.removeEventListener("focus", retry);
      live.stop();
    };
  }, [org]);
  return <OrgContext value={org}>{children}</OrgContext>;
}

export function useConnectionStatus(): Status {
  const { realtime } = useOrg().live;
  return useSyncExternalStore(
    (changed) => realtime.onStatus(changed),
    () => realtime.status,
  );
}

/** Reads `queryKey` again whenever the topic says that it changed. */
export function useRealtimeSubscription(topic: string, queryKey: readonly unknown[]): void {
  const { live } = useOrg();
  const key = JSON.stringify(queryKey);
  useEffect(() => live.follow(topic, JSON.parse(key) as unknown[]), [live, topic, key]);
}
