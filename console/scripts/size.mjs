/** Prints what a browser loads for the first route, compressed with brotli; fails above the limit. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { brotliCompressSync } from "node:zlib";

const LIMIT_BYTES = 170 * 1024;
const built = fileURLToPath(new URL("../../chatbot/assets/console/", import.meta.url));

const index = readFileSync(`${built}index.html`, "utf8");
const packed = (name) => brotliCompressSync(readFileSync(`${built}assets/${name}`)).length;

let first = brotliCompressSync(Buffer.from(index)).length;
for (const name of readdirSync(`${built}assets`).sort()) {
  const isFirst = index.includes(name);
  const size = packed(name);
  if (isFirst) first += size;
  console.log(`${String(size).padStart(8)} B  ${isFirst ? "first" : "later"}  ${name}`);
}
console.log(`${String(first).padStart(8)} B  first route in all, of at most ${LIMIT_BYTES} B`);
if (first > LIMIT_BYTES) {
  console.error("The first route is larger than allowed.");
  process.exit(1);
}
