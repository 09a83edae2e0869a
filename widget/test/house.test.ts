// @vitest-environment node
/** Promises that are kept by the source and the build themselves. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";

const sources = filesIn("src")
  .filter(([name]) => /\.(ts|tsx)$/.test(name) && name !== "wire.gen.ts")
  .map(([name, text]) => ({ name, text }));

/** Every file below a directory, with its text. */
function filesIn(directory: string): [string, string][] {
  const names = readdirSync(directory, { recursive: true, encoding: "utf8" }).filter((name) =>
    name.includes("."),
  );
  return names.sort().map((name) => [name, readFileSync(join(directory, name), "utf8")]);
}

describe("the source", () => {
  test.each([
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "DOMParser",
    "eval(",
    "new Function",
    "dangerouslySet",
  ])("writes no HTML: %s", (sink) => {
    expect(sources.filter(({ text }) => text.includes(sink)).map(({ name }) => name)).toEqual([]);
  });

  test.each([
    "document.cookie",
    "indexedDB",
    "XMLHttpRequest",
    "beforeunload",
    "console.log",
    ": any",
    "as any",
  ])("has no use for %s", (word) => {
    expect(sources.filter(({ text }) => text.includes(word)).map(({ name }) => name)).toEqual([]);
  });

  test("one module speaks HTTP, one the socket", () => {
    const using = (word: string): string[] =>
      sources.filter(({ text }) => text.includes(word)).map(({ name }) => name);

    expect(using("await fetch(")).toEqual(["app/api.ts"]);
    expect(using('from "socket.io-client"')).toEqual(["realtime/socket.ts"]);
  });

  test("realtime and markdown know neither the app nor a framework", () => {
    const outside = sources
      .filter(({ name }) => /^(realtime|markdown)\//.test(name))
      .filter(({ text }) => /from "(preact|\.\.\/app|\.\.\/loader|\.\.\/shell)/.test(text));

    expect(outside.map(({ name }) => name)).toEqual([]);
  });

  test("no file is long", () => {
    const long = sources.filter(({ text }) => text.split("\n").length > 400);

    expect(long.map(({ name }) => name)).toEqual([]);
  });
});

describe("the build", () => {
  const built: string[] = [];

  beforeAll(() => {
    for (let n = 0; n < 2; n++) {
      const out = mkdtempSync(join(tmpdir(), "widget-"));
      execFileSync("node", ["scripts/build.mjs", out]);
      built.push(out);
    }
  });

  test("is the same each time", () => {
    const [one, other] = built.map(filesIn);

    expect(one).toHaveLength(6);
    expect(other).toEqual(one);
  });

  test("names files that are there, and the loader names the app", () => {
    const [out = ""] = built;
    const manifest = JSON.parse(readFileSync(join(out, "manifest.json"), "utf8")) as Record<
      string,
      string
    >;
    const text = (part: string): string => readFileSync(join(out, manifest[part] ?? ""), "utf8");

    expect(text("loader")).toContain(`/w/${manifest["app"]}`);
    expect(text("app")).toContain(manifest["socket"]?.replace("assets/", "./"));
    expect(text("app")).toContain(manifest["live"]?.replace("assets/", "./"));
    expect(text("app")).toContain(manifest["reason"]?.replace("assets/", "./"));
    expect(text("app") + text("live")).not.toContain("socket.io");
    expect(text("app")).not.toContain("unsubscribe");
  });

  test("is as small as promised", () => {
    const sizes = execFileSync("node", ["scripts/size.mjs", built[0] ?? ""], { encoding: "utf8" });

    expect(sizes).toMatch(/^loader: .*\napp: .*\nlive: .*\nsocket: .*\nreason: .*$/m);
  });

  test("carries its styles inside, without an address", () => {
    const [out = ""] = built;
    const all = filesIn(out).map(([, text]) => text);

    expect(all.join("")).not.toMatch(/url\(|@import|@font-face/);
  });
});
