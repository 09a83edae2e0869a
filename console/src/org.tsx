/** The organisation one works in: who one is there, how to call it, what is live. */
import { useQueryClient } from "@tanstack/react-query";
import { createContext, type ReactNode, use, useMemo } from "react";
import { orgApi, type OrgApi } from "./api";
import { type Live, openLive } from "./realtime/live";
import { socketToken } from "./realtime/token";
import { RealtimeProvider } from "./realtime/provider";
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
    return { slug, me, api, live: openLive({ slug, auth: () => socketToken(client, api), client }) };
  }, [slug, me, client]);
  return (
    <OrgContext value={org}>
      <RealtimeProvider live={org.live}>{children}</RealtimeProvider>
    </OrgContext>
  );
}
