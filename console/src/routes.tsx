/** Addresses and what stands at each. */
import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
  type RouterHistory,
} from "@tanstack/react-router";
import { ApiError, orgApi } from "./api";
import { ConversationScreen, NoConversation } from "./inbox/conversation";
import { InboxScreen } from "./inbox/inbox";
import { isView } from "./inbox/rows";
import { keys } from "./keys";
import { trialSearch } from "./knowledge/trying";
import { isPageStatus, type PageStatus } from "./knowledge/wire";
import { Notices } from "./parts/notices";
import { orgsQuery } from "./queries";
import { Broken, Lost } from "./shell/lost";
import { OrgScreen } from "./shell/shell";
import type { Me, View } from "./wire";

const root = createRootRouteWithContext<{ client: QueryClient }>()({
  component: () => (
    <>
      <Outlet />
      <Notices />
    </>
  ),
  notFoundComponent: Lost,
  errorComponent: Broken,
});

const login = createRoute({
  getParentRoute: () => root,
  path: "/login",
  validateSearch: ({ next, ended }: Record<string, unknown>): { next?: string; ended?: true } => ({
    ...(typeof next === "string" && isOwnPath(next) && { next }),
    ...(ended === true && { ended }),
  }),
  component: lazyRouteComponent(() => import("./login/login"), "LoginScreen"),
});

const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  beforeLoad: async ({ context, location }) => {
    const { items } = await orLogin(context.client.ensureQueryData(orgsQuery), location.href);
    const first = items[0];
    if (!first) throw redirect({ to: "/login" });
    throw redirect({ to: "/$slug/inbox", params: { slug: first.slug } });
  },
});

const org = createRoute({
  getParentRoute: () => root,
  path: "/$slug",
  beforeLoad: async ({ context, params: { slug }, location }): Promise<{ me: Me }> => {
    const me = context.client.ensureQueryData({
      queryKey: keys.me(slug),
      queryFn: ({ signal }) => orgApi(slug).me(signal),
    });
    return { me: await orLogin(me, location.href) };
  },
  component: OrgScreen,
});

const orgHome = createRoute({
  getParentRoute: () => org,
  path: "/",
  beforeLoad: ({ params }) => {
    throw redirect({ to: "/$slug/inbox", params });
  },
});

const inbox = createRoute({
  getParentRoute: () => org,
  path: "/inbox",
  validateSearch: ({ view }: Record<string, unknown>): { view?: View } => (isView(view) ? { view } : {}),
  component: InboxScreen,
});

const noConversation = createRoute({
  getParentRoute: () => inbox,
  path: "/",
  component: NoConversation,
});

const conversation = createRoute({
  getParentRoute: () => inbox,
  path: "/$conversationId",
  component: ConversationScreen,
});

const knowledge = createRoute({
  getParentRoute: () => org,
  path: "/knowledge",
  component: lazyRouteComponent(() => import("./knowledge/knowledge"), "KnowledgeScreen"),
});

const documents = createRoute({
  getParentRoute: () => knowledge,
  path: "/",
  validateSearch: ({ kind }: Record<string, unknown>): { kind?: "file" | "page" } =>
    kind === "file" || kind === "page" ? { kind } : {},
  component: lazyRouteComponent(() => import("./knowledge/documents"), "DocumentsScreen"),
});

const document = createRoute({
  getParentRoute: () => knowledge,
  path: "/$documentId",
  validateSearch: ({ passage }: Record<string, unknown>): { passage?: string } =>
    typeof passage === "string" ? { passage } : {},
  component: lazyRouteComponent(() => import("./knowledge/reading"), "DocumentScreen"),
});

const faqs = createRoute({
  getParentRoute: () => knowledge,
  path: "/faqs",
  validateSearch: ({ q }: Record<string, unknown>): { q?: string } => (typeof q === "string" ? { q } : {}),
  component: lazyRouteComponent(() => import("./knowledge/faqs"), "FaqsScreen"),
});

const websites = createRoute({
  getParentRoute: () => knowledge,
  path: "/websites",
  component: lazyRouteComponent(() => import("./knowledge/websites"), "WebsitesScreen"),
});

const website = createRoute({
  getParentRoute: () => knowledge,
  path: "/websites/$crawlId",
  validateSearch: ({ status }: Record<string, unknown>): { status?: PageStatus } =>
    isPageStatus(status) ? { status } : {},
  component: lazyRouteComponent(() => import("./knowledge/website"), "WebsiteScreen"),
});

const trial = createRoute({
  getParentRoute: () => knowledge,
  path: "/try",
  validateSearch: trialSearch,
  component: lazyRouteComponent(() => import("./knowledge/trial"), "TrialScreen"),
});

const assistant = createRoute({
  getParentRoute: () => org,
  path: "/assistant",
  component: lazyRouteComponent(() => import("./assistant/assistant"), "AssistantScreen"),
});

const persona = createRoute({
  getParentRoute: () => assistant,
  path: "/",
  component: lazyRouteComponent(() => import("./assistant/persona"), "PersonaScreen"),
});

const models = createRoute({
  getParentRoute: () => assistant,
  path: "/models",
  component: lazyRouteComponent(() => import("./assistant/models"), "ModelsScreen"),
});

const budget = createRoute({
  getParentRoute: () => assistant,
  path: "/budget",
  component: lazyRouteComponent(() => import("./assistant/budget"), "BudgetScreen"),
});

const sites = createRoute({
  getParentRoute: () => org,
  path: "/sites",
  component: lazyRouteComponent(() => import("./sites/sites"), "SitesScreen"),
});

const tree = root.addChildren([
  login,
  home,
  org.addChildren([
    orgHome,
    inbox.addChildren([noConversation, conversation]),
    knowledge.addChildren([documents, document, faqs, websites, website, trial]),
    assistant.addChildren([persona, models, budget]),
    sites,
  ]),
]);

export function makeRouter(client: QueryClient, history?: RouterHistory) {
  return createRouter({
    ...(history ? { history } : {}),
    routeTree: tree,
    basepath: "/console",
    context: { client },
    defaultPreload: false,
    defaultPendingMs: 300,
  });
}

/** There is no session: to the log-in, which leads back, and says so where there was one. */
export async function toLogin(router: ReturnType<typeof makeRouter>, client: QueryClient): Promise<void> {
  const { pathname, href } = router.state.location;
  if (pathname.endsWith("/login")) return;
  const begun = client.getQueryCache().getAll();
  const ended = begun.some(({ state }) => state.data !== undefined);
  await router.navigate({ to: "/login", search: { next: href, ...(ended && { ended }) } });
  client.clear();
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}

/** A path of this console: not another site's, in whatever spelling. */
export function isOwnPath(path: string): boolean {
  return /^\/(?![/\\])/.test(path);
}

async function orLogin<Reply>(reply: Promise<Reply>, next: string): Promise<Reply> {
  try {
    return await reply;
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) throw redirect({ to: "/login", search: { next } });
    throw error;
  }
}
