/**
 * Why an answer did not help: fetched when a visitor says that it did not, so that it costs nobody else.
 *
 * Without the framework, which is in the app's chunk: a form made of nodes, with words and looks of its own.
 */
const REASON_CHARS_MAX = 500;

const en = {
  title: "What was wrong?",
  presets: ["Not correct", "Not complete", "Not what I asked", "Hard to understand"],
  words: "In your words (optional)",
  send: "Send",
  skip: "No, thanks",
};

const de: typeof en = {
  title: "Was war nicht gut?",
  presets: ["Nicht richtig", "Nicht vollständig", "Nicht meine Frage", "Schwer verständlich"],
  words: "In Ihren Worten (freiwillig)",
  send: "Senden",
  skip: "Nein, danke",
};

const CSS = `.why{display:grid;gap:10px;margin-block-end:10px}
.why p{margin:0}
.presets,.ends{display:flex;flex-wrap:wrap;gap:8px;align-items:center}
.presets button{min-height:34px;padding:4px 12px;border:1px solid var(--line);border-radius:17px;background:var(--bg);font-size:13.5px}
.presets [aria-pressed=true]{border-color:var(--accent-text);color:var(--accent-text);box-shadow:inset 0 0 0 1px}
.why textarea{width:100%;min-height:62px;padding:8px 10px;border:1px solid var(--line);border-radius:10px;background:var(--bg);color:inherit;font:16px/1.45 system-ui,sans-serif;resize:vertical}
.why textarea::placeholder{color:var(--muted);opacity:1}
@media(forced-colors:active){.presets [aria-pressed=true]{outline:2px solid Highlight}}`;

/** Adds the form to `parent`; `done` gets the reason, or null when there is none to tell. */
export function askReason(
  parent: HTMLElement,
  lang: string,
  done: (reason: string | null) => void,
): void {
  const strings = /^de/i.test(lang) ? de : en;
  dress(parent);
  const form = add(parent, "form", "offer why");
  form.setAttribute("aria-label", strings.title);
  add(form, "p").textContent = strings.title;
  const presets = add(form, "div", "presets");
  const buttons = strings.presets.map((text) => addButton(presets, "", text));
  const words = add(form, "textarea");
  words.dir = "auto";
  words.maxLength = REASON_CHARS_MAX;
  words.placeholder = strings.words;
  words.setAttribute("aria-label", strings.words);
  const ends = add(form, "div", "ends");
  addButton(ends, "primary", strings.send).type = "submit";
  const skip = addButton(ends, "link", strings.skip);

  let chosen = -1;
  const choose = (index: number): void => {
    chosen = chosen === index ? -1 : index;
    buttons.forEach((each, at) => each.setAttribute("aria-pressed", `${at === chosen}`));
  };
  choose(-1);
  buttons.forEach((each, index) => each.addEventListener("click", () => choose(index)));
  skip.addEventListener("click", () => done(null));
  form.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    done(null);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    // The preset is told in English whatever the visitor reads, so that reasons can be counted.
    const reason = [en.presets[chosen], words.value.trim()].filter(Boolean).join(": ");
    done(reason.slice(0, REASON_CHARS_MAX) || null);
  });
  form.scrollIntoView({ block: "nearest" });
}

/** Gives the shadow root around `parent` the form's looks, once. */
function dress(parent: HTMLElement): void {
  const root = parent.getRootNode();
  if (!(root instanceof ShadowRoot) || dressed.has(root)) return;
  dressed.add(root);
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(CSS);
  root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
}

const dressed = new WeakSet<ShadowRoot>();

function addButton(parent: HTMLElement, name: string, text: string): HTMLButtonElement {
  const button = add(parent, "button", name);
  button.type = "button";
  button.textContent = text;
  return button;
}

function add<Tag extends keyof HTMLElementTagNameMap>(
  parent: HTMLElement,
  tag: Tag,
  name = "",
): HTMLElementTagNameMap[Tag] {
  const element = parent.ownerDocument.createElement(tag);
  element.className = name;
  return parent.appendChild(element);
}
