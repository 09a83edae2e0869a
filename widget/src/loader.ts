/**
 * What a page pays before anyone asks: one global, one element with a button, and nothing else.
 *
 * The app is imported when the visitor comes near the button. A guest on the page: no handler overwritten, no
 * style or markup outside the shadow root, everything undone by `shutdown`.
 */
import { accentPair } from "./app/colour";
import { launcherLabel } from "./app/strings";
import type { App, AppModule, Config, EventName, Shell } from "./shell";

declare const APP_PATH: string;

type Handler = (detail: unknown) => void;
type Global = {
  (verb: string, ...rest: never[]): unknown;
  q?: ArrayLike<never>[];
  loaded?: boolean;
};

const CSS = `:host{all:initial!important;display:block!important;position:fixed!important;z-index:2147483000!important}
:host>button{all:unset;box-sizing:border-box;position:fixed;inset-block-end:max(20px,env(safe-area-inset-bottom));inset-inline-end:20px;width:56px;height:56px;border-radius:50%;display:grid;place-items:center;cursor:pointer;background:var(--accent);color:var(--on-accent);border:1px solid #0000;box-shadow:0 2px 6px #0003,0 8px 24px #0003;-webkit-tap-highlight-color:#0000}
:host([data-side=start])>button{inset-inline:20px auto}
:host>button:focus-visible{outline:3px solid var(--accent);outline-offset:3px}
:host>button svg{width:26px;height:26px;fill:none;stroke:currentColor;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}
@media print{:host{display:none!important}}`;
const ICON = "M4.5 19.5l1.2-3.8A8 8 0 1 1 9 18.6zM9 11h6M9 14h3.5";

const page = window as unknown as { Chatbot?: Global };
const script = document.currentScript as HTMLScriptElement | null;
const stub = page.Chatbot;

if (script && !stub?.loaded) {
  const origin = new URL(script.src).origin;
  const config: Config = { ...script.dataset };
  const handlers: Record<string, Set<Handler>> = {};
  let shell: Shell | null = null;
  let app: Promise<App> | null = null;

  const emit = (name: EventName, detail?: unknown): void => {
    handlers[name]?.forEach((handler) => setTimeout(handler, 0, detail));
    window.dispatchEvent(new CustomEvent(`chatbot:${name}`, { detail }));
  };

  const load = (): Promise<App> =>
    (app ??= (import(/* @vite-ignore */ origin + APP_PATH) as Promise<AppModule>).then(
      ({ mount }) => {
        if (!shell) throw new Error("shut down");
        return mount(shell);
      },
      (error) => {
        app = null;
        emit("error", { code: "load_failed", message: `${error}` });
        throw error;
      },
    ));

  const attach = (): void => {
    if (!shell) return;
    if (!shell.host.isConnected) document.body?.append(shell.host);
    if (document.body) observer.observe(document.body, { childList: true });
  };
  // Pages that replace their body (Turbo and the like) take our element away with it.
  const observer = new MutationObserver(attach);

  const paint = (): void => {
    if (!shell) return;
    const { accent, on } = accentPair(config.accent);
    shell.host.style.setProperty("--accent", accent);
    shell.host.style.setProperty("--on-accent", on);
    shell.host.dataset["side"] = config.side === "start" ? "start" : "end";
  };

  const fallbackLink = (): HTMLElement => {
    const link = document.createElement("a");
    link.href = `${origin}/chat/${config.key}`;
    link.textContent = launcherLabel(config.lang || navigator.language);
    link.style.cssText =
      "position:fixed;bottom:20px;right:20px;padding:12px;background:#fff;z-index:9999";
    return link;
  };

  const drawButton = (root: ShadowRoot): HTMLButtonElement => {
    const button = document.createElement("button");
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.appendChild(document.createElementNS(svg.namespaceURI, "path")).setAttribute("d", ICON);
    button.append(svg);
    button.type = "button";
    button.setAttribute("aria-haspopup", "dialog");
    button.setAttribute("aria-expanded", "false");
    button.setAttribute("aria-label", launcherLabel(config.lang || navigator.language));
    for (const near of ["pointerenter", "focus", "touchstart"]) {
      button.addEventListener(near, () => void load().catch(() => 0), {
        once: true,
        passive: true,
      });
    }
    button.addEventListener("click", () => {
      // As it was when pressed: an app that comes meanwhile may open by itself.
      const open = button.getAttribute("aria-expanded") !== "true";
      void load()
        .then((each) => (open ? each.open(true) : each.close()))
        .catch(() => 0);
    });
    root.append(button);
    return button;
  };

  const boot = (options?: Config): void => {
    Object.assign(config, options);
    if (shell || !config.key) return;
    const host = document.createElement("chatbot-widget");
    const inline = "inline" in config;
    let root: ShadowRoot;
    try {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(CSS);
      root = host.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [sheet];
    } catch {
      document.body.append(fallbackLink());
      return;
    }
    const button = inline ? null : drawButton(root);
    shell = { origin, key: config.key, config, host, root, button, emit };
    paint();
    attach();
    observer.observe(document.documentElement, { childList: true });
    emit("ready");
    const { connection } = navigator as Navigator & { connection?: { saveData?: boolean } };
    if (inline) void load().then((each) => each.open());
    else if ((config.prefetch === "idle" || isKnown()) && !connection?.saveData) {
      (window.requestIdleCallback ?? setTimeout)(() => void load().catch(() => 0));
    }
  };

  /** A visitor who talked before may have unread answers. */
  const isKnown = (): boolean => {
    try {
      return !!localStorage.getItem(`chatbot:${config.key}`);
    } catch {
      return false;
    }
  };

  const shutdown = (): void => {
    observer.disconnect();
    void app?.then((each) => each.shutdown()).catch(() => 0);
    shell?.host.remove();
    shell = app = null;
    try {
      for (const store of [localStorage, sessionStorage]) store.removeItem(`chatbot:${config.key}`);
    } catch {
      // Nothing was kept where nothing may be kept.
    }
  };

  const Chatbot = async (verb: string, ...rest: unknown[]): Promise<unknown> => {
    await begun;
    const [first, second] = rest;
    switch (verb) {
      case "boot":
        return boot(first as Config);
      case "shutdown":
        return shutdown();
      case "on":
        return void (handlers[first as string] ??= new Set()).add(second as Handler);
      case "off":
        return void handlers[first as string]?.delete(second as Handler);
      case "update":
        Object.assign(config, first);
        paint();
        return app?.then((each) => each.update());
      case "close":
        return app?.then((each) => each.close());
      case "open":
      case "toggle":
      case "send":
      case "identify":
        if (!shell) return;
        return load().then((each) => each[verb](first as never));
    }
    throw new Error(`Chatbot: unknown verb ${verb}`);
  };

  const begin = (): void => {
    if (config.autoboot !== "false") boot();
  };
  const begun = new Promise<void>((done) => {
    const start = (): void => done(begin());
    if (document.body) start();
    else document.addEventListener("DOMContentLoaded", start);
  });
  page.Chatbot = Object.assign(Chatbot as Global, { loaded: true });
  for (const call of stub?.q ?? []) void Chatbot(...(Array.from(call) as unknown as [string]));
}
