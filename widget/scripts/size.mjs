// Prints what a visitor's browser downloads, and fails when it is too much.
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, constants } from "node:zlib";

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const out = resolve(
  process.argv[2] ?? process.env.WIDGET_OUT ?? join(here, "../chatbot/assets/widget"),
);
const LIMITS = { loader: 2_048, app: 26_624, live: 6_144, socket: 10_240, reason: 1_536 };

const manifest = JSON.parse(readFileSync(join(out, "manifest.json"), "utf8"));
let tooLarge = false;
for (const [part, bytes_max] of Object.entries(LIMITS)) {
  const bytes = readFileSync(join(out, manifest[part]));
  const brotli = brotliCompressSync(bytes, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11 },
  }).length;
  tooLarge ||= brotli > bytes_max;
  console.log(
    `${part}: ${bytes.length} B, brotli ${brotli} B of ${bytes_max} B${brotli > bytes_max ? ": TOO LARGE" : ""}`,
  );
}
process.exit(tooLarge ? 1 : 0);
