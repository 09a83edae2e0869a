/** What the client needs of a connection, whoever provides it. */
/** Why a link could not be had or was lost; `code` is null when the server gave none. */
export type Loss = {
  code: string | null;
  retry: "never" | "backoff" | "refetch";
  refused: boolean;
  /** How long the server wants to be left alone. */
  retry_after_s?: number | undefined;
};

export type LinkEvents = {
  open(): void;
  event(name: string, payload: unknown): void;
  /** Called once, also when opening failed; not after `close()`. */
  lost(loss: Loss): void;
};

/** One connection, used once: a lost link is thrown away and a new one made. */
export type Link = {
  /** Sends and waits for the acknowledgement; rejects when none comes in time. */
  call(event: string, payload: unknown, timeout_ms: number): Promise<unknown>;
  close(): void;
};

export type Transport = (token: string, events: LinkEvents) => Link;
