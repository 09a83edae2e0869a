import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const BASE = /node_modules\/(react|react-dom|scheduler|@tanstack|(socket|engine)\.io[^/]*)\//;

export default defineConfig({
  base: "/console/",
  plugins: [react(), tailwindcss()],
  resolve: {
    alias: {
      "@widget": here("../widget/src"),
      // The widget's modules are built here with our own copy of their one dependency.
      "socket.io-client": here("./node_modules/socket.io-client"),
    },
  },
  build: {
    outDir: here("../chatbot/assets/console"),
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0, // no data: URIs, so that no policy needs to allow them
    modulePreload: { polyfill: false },
    rolldownOptions: {
      // What changes seldom keeps its name: a browser fetches it once and not with every release.
      output: { codeSplitting: { groups: [{ name: "base", test: BASE }] } },
    },
  },
  server: {
    fs: { allow: [here("..")] },
    proxy: {
      "/api": "http://localhost:8000",
      "/socket.io": { target: "http://localhost:8000", ws: true },
    },
  },
  test: {
    environment: "jsdom",
    include: ["test/**/*.test.{ts,tsx}"],
    setupFiles: ["test/setup.ts"],
    testTimeout: 20_000,
  },
});
