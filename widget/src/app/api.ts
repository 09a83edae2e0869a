/** The only module that speaks HTTP: the session and the visitor's calls. */
import type {
  ApiError,
  Availability,
  Feedback,
  Message,
  SessionReply,
  Transcript,
  VisitorConversation,
} from "../wire";
import type { Keeper, Kept } from "./storage";

/** A call that did not succeed; `status` is 0 when no answer came. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly error: ApiError,
  ) {
    super(error.message);
  }
}

/** For what is tried again anyway; anything but a refusal is a bug and goes on. */
export function ignoreRefusal(error: unknown): void {
  if (!(error instanceof Refused)) throw error;
}

export type ApiOptions = {
  origin: string;
  key: string;
  keeper: Keeper;
  lang: string;
  /** The page the visitor is on, without query and fragment: these may hold secrets. */
  page: () => string;
  now: () => number;
};

const CALL_MS_MAX = 15_000;
const FRESH_MS = 10 * 60_000; // a session younger than this is used as it is on the next page
const LOCALE_CHARS_MAX = 35;
const ENDS_SOON_MS = 60 * 60_000;

export class Api {
  /** Called with each session that replaces another. */
  issued: (kept: Kept) => void = () => undefined;
  #session: Promise<Kept> | null = null;
  #identity: unknown;
  #conversations: VisitorConversation[] | null = null;
  /** The token that the server accepted last. */
  #proven: string | null = null;

  constructor(private readonly options: ApiOptions) {}

  /** A session that is good for now: the kept one while it is young, else a new or renewed one. */
  session(): Promise<Kept> {
    const kept = this.options.keeper.get();
    if (kept && this.#isFresh(kept)) return Promise.resolve(kept);
    return this.renew(kept?.token ?? null);
  }

  /** Replaces the session whose token is `worn`; what another tab has done already is taken over. */
  renew(worn: string | null): Promise<Kept> {
    this.#session ??= exclusively(this.options.keeper.name, () => this.#issue(worn)).finally(() => {
      this.#session = null;
    });
    return this.#session;
  }

  /** Ties the next session to what the host page proves about its visitor. */
  identify(identity: unknown): void {
    this.#identity = identity;
  }

  async conversations(): Promise<VisitorConversation[]> {
    const known = this.#conversations;
    this.#conversations = null;
    return (
      known ?? (await this.#call<{ items: VisitorConversation[] }>("GET", "/conversations")).items
    );
  }

  /** Whether somebody is online. */
  availability(): Promise<Availability> {
    return this.#call("GET", "/availability");
  }

  createConversation(client_id: string): Promise<VisitorConversation> {
    return this.#call("POST", "/conversations", { client_id });
  }

  transcript(id: string, after: number): Promise<Transcript> {
    return this.#call("GET", `/conversations/${id}/messages?after=${after}`);
  }

  send(id: string, client_id: string, text: string): Promise<Message> {
    const page_url = this.options.page();
    return this.#call("POST", `/conversations/${id}/messages`, { client_id, text, page_url });
  }

  askPerson(id: string): Promise<VisitorConversation> {
    return this.#call("POST", `/conversations/${id}/handoff`, {});
  }

  async stop(id: string): Promise<void> {
    await this.#call("POST", `/conversations/${id}/stop`);
  }

  /** Has an answer that broke off written again. */
  async again(mid: string): Promise<void> {
    await this.#call("POST", `/messages/${mid}/retry`);
  }

  rate(mid: string, feedback: Feedback | null): Promise<Message> {
    const { value, reason } = feedback ?? { value: 0, reason: null };
    const body = reason ? { value, reason } : { value };
    return this.#call("POST", `/messages/${mid}/feedback`, body);
  }

  async #call<Reply>(method: string, path: string, body?: unknown): Promise<Reply> {
    const { token } = await this.session();
    try {
      return await this.#fetch<Reply>(method, `/visitor${path}`, token, body);
    } catch (error) {
      if (!(error instanceof Refused) || !this.#isWorn(error, token)) throw error;
      const renewed = await this.renew(token);
      return this.#fetch<Reply>(method, `/visitor${path}`, renewed.token, body);
    }
  }

  async #issue(worn: string | null): Promise<Kept> {
    const { keeper, key, lang, page, now } = this.options;
    const kept = keeper.get();
    if (kept && kept.token !== worn && this.#isFresh(kept)) return kept;
    const identity = this.#identity === undefined ? {} : { identity: this.#identity };
    const body = { page_url: page(), locale: lang.slice(0, LOCALE_CHARS_MAX), ...identity };
    const path = `/sites/${encodeURIComponent(key)}/session`;
    let reply: SessionReply;
    try {
      reply = await this.#fetch<SessionReply>("POST", path, kept?.token ?? null, body);
    } catch (error) {
      // A proof that is not taken must not keep the visitor out: the next session goes without.
      this.#identity = undefined;
      // A token that is refused outright is worth nothing: begin anew.
      if (!kept || !(error instanceof Refused) || error.status !== 401) throw error;
      reply = await this.#fetch<SessionReply>("POST", path, null, body);
    }
    const { token, expires_at, visitor, site } = reply;
    const read = kept?.visitor_id === visitor.id ? kept.read : null;
    const issued: Kept = { token, expires_at, visitor_id: visitor.id, site, at: now(), read };
    keeper.set(issued);
    this.#conversations = reply.conversations;
    this.issued(issued);
    return issued;
  }

  /** A refusal of a token that is no longer ours to use comes without CORS: it looks like no answer. */
  #isWorn({ status }: Refused, token: string): boolean {
    return status === 401 || (status === 0 && token !== this.#proven);
  }

  #isFresh({ at, expires_at }: Kept): boolean {
    const now = this.options.now();
    return now - at < FRESH_MS && Date.parse(expires_at) - now > ENDS_SOON_MS;
  }

  async #fetch<Reply>(
    method: string,
    path: string,
    token: string | null,
    body?: unknown,
  ): Promise<Reply> {
    const headers: Record<string, string> = {};
    if (token) headers["authorization"] = `Bearer ${token}`;
    if (body !== undefined) headers["content-type"] = "application/json";
    const signal = AbortSignal.timeout?.(CALL_MS_MAX) ?? null; // browsers of before 2022 wait longer
    const init: RequestInit = { method, headers, signal, credentials: "omit", cache: "no-store" };
    if (body !== undefined) init.body = JSON.stringify(body);
    let reply: Response;
    let text: string;
    try {
      reply = await fetch(`${this.options.origin}/api/v1${path}`, init);
      text = await reply.text();
    } catch {
      throw new Refused(0, { code: "unreachable", message: "", retry: "backoff" });
    }
    if (!reply.ok) throw new Refused(reply.status, errorIn(text));
    if (token) this.#proven = token;
    return (text ? JSON.parse(text) : null) as Reply;
  }
}

/** One tab at a time, where the browser can: two renewals at once would end each other's session. */
function exclusively<T>(name: string, work: () => Promise<T>): Promise<T> {
  const locks = (globalThis.navigator as Navigator | undefined)?.locks;
  return locks ? (locks.request(name, work) as Promise<T>) : work();
}

function errorIn(text: string): ApiError {
  try {
    const { error } = JSON.parse(text) as { error?: ApiError };
    if (error?.code) return error;
  } catch {
    // Not ours: a proxy's page, perhaps.
  }
  return { code: "internal", message: "", retry: "backoff" };
}
