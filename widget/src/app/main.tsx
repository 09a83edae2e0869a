/** The app: mounted once by the loader, in the loader's shadow root. */
import { createRef, render } from "preact";
import { browserClock } from "../realtime/clock";
import type { App, Shell } from "../shell";
import { Announcer } from "./announcer";
import { Api } from "./api";
import { ChatClient } from "./chat";
import { accentPair, accentText } from "./colour";
import { lazyLive } from "./lazy";
import { Launcher } from "./launcher";
import { watchPolicy } from "./policy";
import { type Chat, unread } from "./state";
import { Keeper, OpenMark, pageStore } from "./storage";
import { noteText, stringsFor } from "./strings";
import css from "./styles.css?inline";
import { Panel, type PanelProps } from "./view/panel";
import { FullScreen } from "./viewport";

const PAGE_CHARS_MAX = 2_000;
const GROUND = { light: "#ffffff", dark: "#17191e" };

export function mount(shell: Shell): App {
  return new Mounted(shell);
}

class Mounted implements App {
  readonly #chat: ChatClient;
  readonly #keeper: Keeper;
  readonly #mark: OpenMark;
  readonly #frame = document.createElement("div");
  readonly #panel = createRef<HTMLDivElement>();
  readonly #title = createRef<HTMLHeadingElement>();
  readonly #input = createRef<HTMLTextAreaElement>();
  readonly #fullScreen: FullScreen;
  readonly #announcer: Announcer;
  readonly #launcher: Launcher | null;
  readonly #dark = matchMedia("(prefers-color-scheme: dark)");
  readonly #gone = new AbortController();
  readonly #api: Api;
  #open = false;
  #blocked = false;
  #call: PanelProps["call"] = "none";
  #spoken = "";
  #unread = 0;
  #drawn = 0;

  constructor(private readonly shell: Shell) {
    const { origin, key, root, host, button } = shell;
    this.#launcher = button && new Launcher(button);
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
    this.#frame.className = "app";
    root.append(this.#frame);
    this.#keeper = new Keeper(key, pageStore("localStorage"));
    this.#mark = new OpenMark(this.#keeper.name, pageStore("sessionStorage"));
    this.#announcer = new Announcer(browserClock, (text) => this.#say(text));
    this.#fullScreen = new FullScreen(
      host,
      () => this.#panel.current,
      () => this.#arrange(),
    );
    const page = (): string => (location.origin + location.pathname).slice(0, PAGE_CHARS_MAX);
    this.#api = new Api({
      origin,
      key,
      keeper: this.#keeper,
      lang: this.#lang,
      page,
      now: Date.now,
    });
    this.#chat = new ChatClient({
      api: this.#api,
      keeper: this.#keeper,
      openLive: lazyLive(origin),
      clock: browserClock,
      page,
      isHidden: () => document.hidden,
      changed: (now, before) => this.#changed(now, before),
    });
    this.#listen();
    this.update();
    if (!this.#keeper.get()) return;
    void this.#chat.start();
    // Whoever follows a link in the chat goes on where they were, unless the panel would hide the new page.
    if (this.#mark.get() && !this.#fullScreen.isSmall) this.open();
  }

  /** By the visitor: focus moves in. By the page: it stays where it is. */
  open(byUser = false): void {
    if (!this.#open) {
      this.#open = true;
      this.#mark.set(!this.#isInline);
      this.#arrange();
      this.shell.emit("open");
    }
    void this.#chat.start();
    this.#chat.wake();
    if (byUser) (this.#fullScreen.isSmall ? this.#title : this.#input).current?.focus();
    this.#read();
  }

  close(): void {
    if (!this.#open || this.#isInline) return;
    const hadFocus = this.shell.root.activeElement !== null;
    this.#open = false;
    this.#mark.set(false);
    this.#read();
    this.#arrange();
    if (hadFocus) this.shell.button?.focus();
    this.shell.emit("close");
  }

  toggle(byUser = false): void {
    if (this.#open) this.close();
    else this.open(byUser);
  }

  send(text: string): void {
    this.open();
    this.#chat.send(text);
  }

  identify(identity: unknown): void {
    this.#api.identify(identity);
    const token = this.#keeper.get()?.token;
    if (token)
      void this.#api.renew(token).catch((error: unknown) => this.shell.emit("error", error));
  }

  /** The shell's configuration has changed. */
  update(): void {
    const { config, host } = this.shell;
    const site = this.#chat.state.site;
    const { accent, on } = accentPair(config.accent ?? site?.theme.accent);
    const theme =
      config.theme === "dark" || (config.theme !== "light" && this.#dark.matches)
        ? "dark"
        : "light";
    host.style.setProperty("--accent", accent);
    host.style.setProperty("--on-accent", on);
    host.style.setProperty("--accent-text", accentText(accent, GROUND[theme]));
    host.dataset["side"] = config.side ?? site?.theme.side ?? "end";
    host.dataset["theme"] = theme;
    this.#draw();
  }

  shutdown(): void {
    this.#gone.abort();
    this.#chat.end();
    this.#keeper.close();
    this.#mark.set(false);
    this.#fullScreen.end();
    cancelAnimationFrame(this.#drawn);
    render(null, this.#frame);
    this.#frame.remove();
  }

  get #isInline(): boolean {
    return this.shell.button === null;
  }

  get #lang(): string {
    return this.shell.config.lang || navigator.language;
  }

  #listen(): void {
    const { signal } = this.#gone;
    const on = (target: EventTarget, names: string, handler: (event: Event) => void): void => {
      for (const name of names.split(" ")) target.addEventListener(name, handler, { signal });
    };
    on(window, "online", () => this.#chat.wake());
    on(document, "visibilitychange", () => {
      if (!document.hidden) this.#chat.wake();
      this.#read();
    });
    on(window, "pagehide", () => this.#chat.pause());
    on(
      window,
      "pageshow",
      (event) => (event as PageTransitionEvent).persisted && this.#chat.resume(),
    );
    on(window, "storage", (event) => {
      if ((event as StorageEvent).key === this.#keeper.name) this.#chat.adopt();
    });
    on(this.#dark, "change", () => this.update());
    watchPolicy(this.shell.origin, signal, () => {
      this.#blocked = true;
      this.#drawSoon();
    });
  }

  #changed(now: Chat, before: Chat): void {
    if (this.#gone.signal.aborted) return;
    if (now.site !== before.site) this.update();
    if (now.problem && now.problem.code !== before.problem?.code)
      this.shell.emit("error", now.problem);
    if (now.answer && !before.answer) this.#announcer.add(this.#strings.answering);
    const wait_s = now.outbox[0]?.wait_s;
    if (wait_s && !before.outbox[0]?.wait_s) this.#announcer.add(this.#strings.wait(wait_s));
    this.#tellMessages(now, before);
    const [state, was] = [now.conversation?.state, before.conversation?.state];
    if (
      state !== was &&
      (state === "waiting" || state === "staff" || was === "waiting" || was === "staff")
    ) {
      this.shell.emit("handoff", { state: state ?? null });
    }
    this.#read();
    this.#drawSoon();
  }

  /** What came in while we watch: history is no news. */
  #tellMessages(now: Chat, before: Chat): void {
    if (now.messages === before.messages) return;
    const known = new Map(before.messages.map((each) => [each.id, each]));
    const isNews = before.caught_up && now.conversation?.id === before.conversation?.id;
    for (const message of isNews ? now.messages : []) {
      const { id, author, text, review } = message;
      const old = known.get(id);
      if (old?.text === text || author.kind === "visitor") continue;
      const strings = this.#strings;
      if (review?.kind === "corrected") this.#announcer.add(strings.corrected(review.by));
      const said = author.kind === "system" ? noteText(text, strings) : text;
      this.#announcer.message({ ...message, text: said }, strings);
      if (!old) this.shell.emit("message", { message });
    }
  }

  /** What an open panel on a visible page shows is read. */
  #read(): void {
    const viewing = this.#open && !document.hidden;
    this.#chat.view(viewing);
    if (viewing) this.#chat.read();
    const count = unread(this.#chat.state);
    if (count === this.#unread) return;
    this.#unread = count;
    this.shell.emit("unread", { count });
    this.#drawSoon();
  }

  async #askPerson(): Promise<void> {
    if (this.#call === "calling") return;
    this.#call = "calling";
    this.#draw();
    this.#call = (await this.#chat.askPerson()) ? "none" : "failed";
    this.#draw();
  }

  /** Panel, button and page as the open state wants them. */
  #arrange(): void {
    this.#draw();
    this.#fullScreen.set(this.#open && (this.#fullScreen.isSmall || this.#isInline));
  }

  #say(text: string): void {
    this.#spoken = text;
    this.#drawSoon();
  }

  get #strings(): ReturnType<typeof stringsFor> {
    return stringsFor(this.#lang);
  }

  #drawSoon(): void {
    if (document.hidden) this.#draw();
    else this.#drawn ||= requestAnimationFrame(() => this.#draw());
  }

  #draw(): void {
    cancelAnimationFrame(this.#drawn);
    this.#drawn = 0;
    const strings = this.#strings;
    this.#launcher?.show(this.#open, this.#unread, strings);
    const full = this.#open && this.#fullScreen.isSmall && !this.#isInline;
    this.shell.host.toggleAttribute("data-full", full);
    render(
      <Panel
        chat={this.#chat.state}
        open={this.#open}
        inline={this.#isInline}
        full={full}
        blocked={this.#blocked}
        call={this.#call}
        spoken={this.#spoken}
        strings={strings}
        actions={this.#actions}
        panel={this.#panel}
        title={this.#title}
        input={this.#input}
      />,
      this.#frame,
    );
  }

  readonly #actions: PanelProps["actions"] = {
    close: () => this.close(),
    start: () => void this.#chat.start(),
    ask: (text) => this.#chat.send(text),
    askPerson: () => void this.#askPerson(),
    retry: (client_id) => this.#chat.retry(client_id),
    again: (mid) => void this.#chat.again(mid),
    rate: (message, feedback) => this.#chat.rate(message, feedback),
    stop: () => void this.#chat.stop(),
    startOver: () => this.#chat.startOver(),
    typing: () => this.#chat.typing(),
    near: () => this.#chat.connect(),
  };
}
