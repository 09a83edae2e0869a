import { defineConfig } from "vitest/config";

export default defineConfig({
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  test: {
    environment: "jsdom",
    include: ["test/**/*.test.{ts,tsx}"],
    // Long, because nothing here is decided by it: on a loaded machine everything takes its time.
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
