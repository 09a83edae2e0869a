/** The whole console at an address, with a server in memory behind it. */
import { type QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createMemoryHistory, RouterProvider } from "@tanstack/react-router";
import { render } from "@testing-library/react";
import userEvent, { type UserEvent } from "@testing-library/user-event";
import { vi } from "vitest";
import { makeCache } from "../src/cache";
import { makeRouter, toLogin } from "../src/routes";
import type { Server } from "./server";

const here = vi.hoisted((): { server: Server | null } => ({ server: null }));

vi.mock("@widget/realtime/socket", () => ({
  socketTransport:
    () =>
    (...args: Parameters<Server["transport"]>) =>
      here.server?.transport(...args),
}));

type Opened = { user: UserEvent; client: QueryClient; path: () => string };

export async function openConsole(server: Server, path: string): Promise<Opened> {
  here.server = server;
  vi.stubGlobal("fetch", server.fetch);
  const history = createMemoryHistory({ initialEntries: [`/console${path}`] });
  const client: QueryClient = makeCache(() => void toLogin(router, client));
  const router = makeRouter(client, history);
  render(
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>,
  );
  return { user: userEvent.setup(), client, path: () => history.location.href.replace("/console", "") };
}
