import { describe, expect, test } from "vitest";
import { renderPlain, safeUrl } from "../src/markdown/links";
import { MarkdownView, renderMarkdown } from "../src/markdown/view";

const cite = (n: number): Node => {
  const sup = document.createElement("sup");
  sup.textContent = `${n}`;
  return sup;
};

function html(text: string, done = true): string {
  const root = document.createElement("div");
  new MarkdownView(root, { heading: 3, cite }).write(text, done);
  return root.innerHTML;
}

describe("blocks", () => {
  test.each([
    ["one\ntwo\n\nthree", "<p>one\ntwo</p><p>three</p>"],
    ["# Title\n## Sub ##\n###### Deep", "<h3>Title</h3><h4>Sub</h4><h6>Deep</h6>"],
    ["- a\n- b\n  - c\n- d", "<ul><li>a</li><li>b<ul><li>c</li></ul></li><li>d</li></ul>"],
    [
      "1. a\n   - b\n     - c\n   - d\n2. e",
      "<ol><li>a<ul><li>b<ul><li>c</li></ul></li><li>d</li></ul></li><li>e</li></ol>",
    ],
    ["- a\n\n  still a\n\n- b", "<ul><li>a<p>still a</p></li><li>b</li></ul>"],
    ["3. three\n4. four", '<ol start="3"><li>three</li><li>four</li></ol>'],
    ["1. a\n\n2. b\n\nend", "<ol><li>a</li><li>b</li></ol><p>end</p>"],
    ["- a\n1. b", "<ul><li>a</li></ul><ol><li>b</li></ol>"],
    ["- a\nlazy", "<ul><li>a\nlazy</li></ul>"],
    [
      "```js\nlet a = 1;\n\n<b>\n```\nafter",
      '<pre tabindex="0"><code>let a = 1;\n\n&lt;b&gt;</code></pre><p>after</p>',
    ],
    ["> quoted\n> more\n\nout", "<blockquote><p>quoted\nmore</p></blockquote><p>out</p>"],
    ["a\n\n---\n\nb", "<p>a</p><hr><p>b</p>"],
    ["2 * 3 * 4\n#hashtag\n1.5 litres", "<p>2 * 3 * 4\n#hashtag\n1.5 litres</p>"],
  ])("%j", (text, expected) => {
    expect(html(text)).toBe(expected);
  });

  test("a table, with its alignment and cells that are missing", () => {
    const table = html("| a | b |\n|---|--:|\n| 1 | 2 |\n| 3 |\n\nend");

    expect(table).toContain("<thead><tr><th>a</th>");
    expect(table).toContain('<td style="text-align: end;">2</td>');
    expect(table).toContain('<tr><td>3</td><td style="text-align: end;"></td></tr>');
    expect(table.endsWith("<p>end</p>")).toBe(true);
  });
});

describe("inline", () => {
  test.each([
    ["**bold** and __bold__", "<strong>bold</strong> and <strong>bold</strong>"],
    ["*it* and _it_, not snake_case_name", "<em>it</em> and <em>it</em>, not snake_case_name"],
    ["***both*** ~~gone~~", "<strong><em>both</em></strong> <del>gone</del>"],
    ["`a *b* <c>`", "<code>a *b* &lt;c&gt;</code>"],
    ["``a ` b``", "<code>a ` b</code>"],
    ["**a *b* c**", "<strong>a <em>b</em> c</strong>"],
    ["\\*not\\* a < b & c", "*not* a &lt; b &amp; c"],
    ["line  \nbreak", "line<br>break"],
    ["unclosed **bold", "unclosed **bold"],
    ["see [1], [2, 3] and [x]", "see <sup>1</sup>, <sup>2</sup><sup>3</sup> and [x]"],
    ["`[1]` is code", "<code>[1]</code> is code"],
  ])("%j", (text, expected) => {
    expect(html(text)).toBe(`<p>${expected}</p>`);
  });

  test("links open elsewhere and tell nothing", () => {
    const root = document.createElement("div");
    renderMarkdown(
      root,
      "[docs](https://example.org/a_(b)) <https://x.org> https://y.org/z. mail: [m](mailto:a@b.c)",
    );
    const links = [...root.querySelectorAll("a")];

    expect(links.map((link) => [link.textContent, link.href])).toEqual([
      ["docs", "https://example.org/a_(b)"],
      ["https://x.org", "https://x.org/"],
      ["https://y.org/z", "https://y.org/z"],
      ["m", "mailto:a@b.c"],
    ]);
    expect(
      links.every(
        (link) => link.rel === "noopener noreferrer nofollow" && link.target === "_blank",
      ),
    ).toBe(true);
  });

  test.each([
    ["![chart](https://example.org/x.png)", "<p>chart</p>"],
    ["![](https://example.org/x.png?q=secret)", "<p></p>"],
    ['a ![b](https://example.org/x.png "c") d', "<p>a b d</p>"],
    ["[![b](https://e.org/x.png)](/y)", "<p>[b](/y)</p>"],
    ["![b][ref]\n\n[ref]: /x.png", "<p>![b][ref]</p><p>[ref]: /x.png</p>"],
  ])(
    "of the image %j only the words stay: nothing is loaded, nothing leads there",
    (text, shown) => {
      expect(html(text)).toBe(shown);
    },
  );

  test.each([
    // text, the addresses that become links
    ["[a](https://e.org/x)", ["https://e.org/x"]],
    ["[a](<https://e.org/x>)", ["https://e.org/x"]],
    ["[a](HTTPS://E.ORG/x)", ["https://e.org/x"]],
    ["<https://e.org/x>", ["https://e.org/x"]],
    ["<HTTP://e.org>", ["http://e.org/"]],
    ["<mailto:a@e.org>", ["mailto:a@e.org"]],
    ["[a](mailto:a@e.org) [b](tel:+49123)", ["mailto:a@e.org", "tel:+49123"]],
    ["see https://e.org/x, or http://e.org.", ["https://e.org/x", "http://e.org/"]],
    ["**https://e.org**", ["https://e.org/"]],
    ["| a |\n|---|\n| https://e.org |", ["https://e.org/"]],
    ["> - https://e.org", ["https://e.org/"]],
    ["www.e.org e.org a@e.org //e.org", []],
    ["HTTPS://E.ORG", []],
    ["xhttps://e.org", []],
    ["`https://e.org` and `[a](https://e.org)`", []],
    ["```\nhttps://e.org\n```", []],
    ["[a][b]\n\n[b]: ftp://e.org", []],
    ["[a](//e.org) [b](e.org) [c](ftp://e.org) [d](#x)", []],
    ["[![b](https://evil.org/x.png)](https://e.org/)", ["https://e.org/"]],
    ['<a href="ftp://e.org">x</a> <ftp://e.org>', []],
  ])("of %j these addresses are links: %j", (text, expected) => {
    const root = document.createElement("div");
    renderMarkdown(root, text);

    expect([...root.querySelectorAll("a")].map(({ href }) => href)).toEqual(expected);
    expect(root.querySelector("img, picture, video, audio, source, object, iframe")).toBeNull();
  });

  test.each([
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    " javascript:x",
    "vbscript:x",
    "//evil.org",
    "/path",
    "java\nscript:x",
    "file:///etc/passwd",
  ])("%j is no address", (url) => {
    expect(safeUrl(url)).toBeNull();
    expect(html(`[a](${url}) <${url}>`)).not.toContain("<a");
  });
});

describe("a text that grows", () => {
  test.each([
    ["**bo", "<strong>bo</strong>"],
    ["a *", "a "],
    ["a [link](https://exa", "a link"],
    ["a [1", "a "],
    ["a `co", "a <code>co</code>"],
  ])("hides the marks that %j has not closed yet", (text, expected) => {
    expect(html(text, false)).toBe(`<p>${expected}</p>`);
  });

  test("a fence that is open is code already", () => {
    expect(html("```\nlet a", false)).toBe('<pre tabindex="0"><code>let a</code></pre>');
  });

  test("closed blocks are not drawn again", () => {
    const root = document.createElement("div");
    const view = new MarkdownView(root);
    view.write("# One\n\nfirst\n\nsecond\nmore\n", false);
    const [heading, first] = root.children;

    view.write("# One\n\nfirst\n\nsecond\nmore\n\nthird\nline\nline", false);

    expect([root.children[0], root.children[1]]).toEqual([heading, first]);
    expect(root.children).toHaveLength(4);
    expect(root.children[0]).toBe(heading);
  });

  test("a text that does not go on from the last one is drawn anew", () => {
    const root = document.createElement("div");
    const view = new MarkdownView(root);
    view.write("one\n\ntwo\nx\n\nthree\ny\n", false);

    view.write("other", true);

    expect(root.innerHTML).toBe("<p>other</p>");
  });
});

const PIECES = [
  "word ",
  "a",
  "\n",
  "\n\n",
  "# ",
  "- ",
  "* ",
  "1. ",
  "> ",
  "```",
  "`",
  "**",
  "*",
  "__",
  "_",
  "~~",
  "[",
  "]",
  "](",
  ")",
  "[1]",
  "[2, 3]",
  "(https://example.org/",
  "https://example.org/x",
  "<script>alert(1)</script>",
  "<img src=x onerror=alert(1)>",
  "javascript:alert(1)",
  "[x](javascript:alert(1))",
  "[x](data:text/html,<b>)",
  "![i](https://e.org/i.png)",
  "|",
  "| a | b |\n|---|---|\n",
  "---\n",
  "    ",
  "  ",
  "\\",
  "<https://e.org>",
  "<br>",
  "é漢🙂",
  "\r\n",
  '"',
  "&lt;",
  "<a href=javascript:alert(1)>",
  "<svg onload=alert(1)>",
];
const ELEMENTS = new Set(
  "p h3 h4 h5 h6 ul ol li pre code strong em del a br hr blockquote div table thead tbody tr th td sup".split(
    " ",
  ),
);
const ATTRIBUTES = new Set(["href", "target", "rel", "class", "tabindex", "start", "style"]);

/** A small generator with a seed, so that a failure can be repeated. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
    return state / 2 ** 32;
  };
}

function isHarmless(root: Element): boolean {
  return [...root.querySelectorAll("*")].every(
    (element) =>
      ELEMENTS.has(element.localName) &&
      [...element.attributes].every(({ name }) => ATTRIBUTES.has(name)) &&
      (!element.hasAttribute("href") ||
        /^(https?|mailto|tel):/.test(element.getAttribute("href") ?? "")),
  );
}

describe("anything", () => {
  test(
    "grows, at whatever cuts, into what it would be at once, and is never active",
    { timeout: 60_000 },
    () => {
      for (let seed = 1; seed <= 1_500; seed++) {
        const next = random(seed);
        let text = "";
        for (let n = 0; n < 1 + next() * 25; n++)
          text += PIECES[Math.floor(next() * PIECES.length)] ?? "";
        const root = document.createElement("div");
        const view = new MarkdownView(root, { heading: 3, cite });
        for (let at = 0; at < text.length; at += 1 + Math.floor(next() * 7)) {
          view.write(text.slice(0, at), false);
          if (!isHarmless(root))
            expect.fail(`active at ${at} of ${JSON.stringify(text)}: ${root.innerHTML}`);
        }
        view.write(text, true);

        expect(isHarmless(root), JSON.stringify(text)).toBe(true);
        expect(root.innerHTML, JSON.stringify(text)).toBe(html(text));
      }
    },
  );

  test.each([
    ["> ".repeat(5_000)],
    ["[".repeat(24_000)],
    ["[a](x".repeat(4_000)],
    ["*a ".repeat(8_000)],
    ["**a ".repeat(6_000)],
    ["`".repeat(12_000) + " " + "`".repeat(11_999)],
    ["a ".repeat(3_000) + "*".repeat(20_000)],
    ["_a*b".repeat(6_000)],
    ["- ".repeat(8_000)],
    ["|".repeat(20_000) + "\n|---|"],
    ["https://".repeat(3_000)],
    ["<".repeat(20_000)],
  ])("a pathological text (%#) takes less than two seconds of a processor", (text) => {
    const began = process.cpuUsage();
    html(text, false);
    html(text, true);
    expect(process.cpuUsage(began).user).toBeLessThan(2_000_000);
  });
});

test("people's own words stay as they are, with their addresses made links", () => {
  const root = document.createElement("div");
  renderPlain(
    root,
    "see **this** <b>\nhttps://example.org/a?b=c, or http://x.org) javascript:alert(1)",
  );

  expect(root.textContent).toBe(
    "see **this** <b>\nhttps://example.org/a?b=c, or http://x.org) javascript:alert(1)",
  );
  expect([...root.querySelectorAll("a")].map((link) => link.href)).toEqual([
    "https://example.org/a?b=c",
    "http://x.org/",
  ]);
});
