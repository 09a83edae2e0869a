/** What loader and app agree on. */

export type Config = {
  key?: string;
  lang?: string;
  theme?: string;
  accent?: string;
  side?: string;
  autoboot?: string;
  prefetch?: string;
  inline?: string;
};

export type EventName = "ready" | "open" | "close" | "message" | "unread" | "handoff" | "error";

export type Shell = {
  /** Of the service: where the loader came from. */
  origin: string;
  key: string;
  config: Config;
  host: HTMLElement;
  root: ShadowRoot;
  /** Null when the app fills its page instead of a corner. */
  button: HTMLButtonElement | null;
  emit: (name: EventName, detail?: unknown) => void;
};

export type App = {
  open(byUser?: boolean): void;
  close(): void;
  toggle(byUser?: boolean): void;
  send(text: string): void;
  identify(identity: unknown): void;
  update(): void;
  shutdown(): void;
};

export type AppModule = { mount: (shell: Shell) => App };
