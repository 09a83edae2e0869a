import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { makeCache } from "./cache";
import { makeRouter } from "./routes";
import "./styles.css";

const client = makeCache(() => {
  if (router.state.location.pathname.endsWith("/login")) return;
  const next = router.state.location.href;
  void router.navigate({ to: "/login", search: { next } }).then(() => client.clear());
});
const router = makeRouter(client);

const place = document.getElementById("root");
if (!place) throw new Error("index.html has no #root");
createRoot(place).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  </StrictMode>,
);
