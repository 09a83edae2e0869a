// Builds loader, app and the chunks fetched later into the directory named by the first argument, WIDGET_OUT or the default.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build, transform } from "esbuild";

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const out = resolve(
  process.argv[2] ?? process.env.WIDGET_OUT ?? join(here, "../chatbot/assets/widget"),
);

const inlineCss = {
  name: "inline-css",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /\.css\?inline$/ }, ({ path, resolveDir }) => ({
      path: join(resolveDir, path.replace(/\?inline$/, "")),
      namespace: "inline-css",
    }));
    onLoad({ filter: /.*/, namespace: "inline-css" }, async ({ path }) => {
      const source = await readFile(path, "utf8");
      const { code } = await transform(source, { loader: "css", minify: true, target: "es2022" });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

// Engine.IO brings three transports; we speak WebSocket only. It also does not say that its modules do nothing
// when imported, so that the other two would stay in.
const websocketOnly = {
  name: "websocket-only",
  setup(builder) {
    builder.onLoad(
      { filter: /engine\.io-client[\\/]build[\\/]esm[\\/]transports[\\/]index\.js$/ },
      () => ({
        contents:
          'import { WS } from "./websocket.js"; export const transports = { websocket: WS };',
        loader: "js",
        resolveDir: join(here, "node_modules/engine.io-client/build/esm/transports"),
      }),
    );
    builder.onResolve({ filter: /./ }, async ({ path, importer, resolveDir, kind, pluginData }) => {
      if (pluginData === websocketOnly || !/(engine|socket)\.io-/.test(importer + path))
        return undefined;
      const found = await builder.resolve(path, {
        importer,
        resolveDir,
        kind,
        pluginData: websocketOnly,
      });
      return { ...found, sideEffects: false };
    });
  },
};

/** The dynamic import of a chunk becomes that of its built file. */
const chunkAt = (name, file) => ({
  name: `${name}-at`,
  setup({ onResolve }) {
    onResolve({ filter: new RegExp(`/${name}$`) }, ({ kind }) =>
      kind === "dynamic-import" ? { path: `./${file}`, external: true } : undefined,
    );
  },
});

async function bundle(entry, options) {
  const { outputFiles } = await build({
    absWorkingDir: here,
    entryPoints: [entry],
    entryNames: "[name]-[hash]",
    outdir: "assets",
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    legalComments: "none",
    write: false,
    logLevel: "warning",
    ...options,
  });
  const [{ path, contents }] = outputFiles;
  return { name: basename(path), contents };
}

const socket = await bundle("src/realtime/socket.ts", { plugins: [websocketOnly] });
const live = await bundle("src/app/live.ts", {});
const reason = await bundle("src/app/reason.ts", {});
const app = await bundle("src/app/main.tsx", {
  jsx: "automatic",
  jsxImportSource: "preact",
  plugins: [
    inlineCss,
    chunkAt("live", live.name),
    chunkAt("socket", socket.name),
    chunkAt("reason", reason.name),
  ],
});
const loader = await bundle("src/loader.ts", {
  entryNames: "[name]",
  format: "iife",
  target: "es2020",
  define: { APP_PATH: JSON.stringify(`/w/assets/${app.name}`) },
});

await rm(out, { recursive: true, force: true });
await mkdir(join(out, "assets"), { recursive: true });
await writeFile(join(out, loader.name), loader.contents);
for (const { name, contents } of [app, live, socket, reason])
  await writeFile(join(out, "assets", name), contents);
const manifest = {
  loader: loader.name,
  app: `assets/${app.name}`,
  live: `assets/${live.name}`,
  socket: `assets/${socket.name}`,
  reason: `assets/${reason.name}`,
};
await writeFile(join(out, "manifest.json"), `${JSON.stringify(manifest, null, 2)}\n`);
console.log(`${out}: ${Object.values(manifest).join(", ")}`);
