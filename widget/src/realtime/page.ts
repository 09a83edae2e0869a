/** What the client needs to know of the page it lives in, passed in, so that a test can play it. */
export type PageEvent = "shown" | "online" | "offline";

export type Page = {
  hidden(): boolean;
  /** Tells when the page is seen again and when the browser loses or finds its network; the returned function ends it. */
  watch(told: (event: PageEvent) => void): () => void;
};

/** The browser's page; outside of one (a test, a worker) it is always seen and says nothing. */
export const browserPage: Page = {
  hidden: () => typeof document !== "undefined" && document.hidden,
  watch(told) {
    if (typeof document === "undefined") return () => undefined;
    const ending = new AbortController();
    const { signal } = ending;
    const shown = (): void => void (document.hidden || told("shown"));
    document.addEventListener("visibilitychange", shown, { signal });
    window.addEventListener("focus", shown, { signal });
    window.addEventListener("online", () => told("online"), { signal });
    window.addEventListener("offline", () => told("offline"), { signal });
    return () => ending.abort();
  },
};
