/** What is below a RealtimeProvider, with a server and a clock in a test's hands. */
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { act } from "@testing-library/react";
import type { ReactNode } from "react";
import { openLive } from "../../src/realtime/live";
import { RealtimeProvider } from "../../src/realtime/provider";
import { TestClock } from "../clock";
import { Server } from "../server";
import { TestPage } from "./page";

export function given(prepare: (server: Server) => void = () => undefined) {
  const [server, clock, page, client] = [new Server(), new TestClock(), new TestPage(), new QueryClient()];
  prepare(server);
  const auth = () => Promise.resolve({ token: "t", expires_at: null });
  const live = openLive({ slug: "acme", auth, client, transport: server.transport, clock, page });
  const wrapper = ({ children }: { children: ReactNode }) => (
    <QueryClientProvider client={client}>
      <RealtimeProvider live={live}>{children}</RealtimeProvider>
    </QueryClientProvider>
  );
  /** Lets time pass, with all that it leads to on screen. */
  const pass = (ms: number): Promise<void> => act(() => clock.pass(ms));
  return { server, clock, page, client, live, wrapper, pass };
}
