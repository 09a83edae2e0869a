import type { Message, VisitorConversation } from "../src/wire";
import { by, conversation, message, site } from "./build";
import { FakeServer } from "./transport";

/** The service as its callers see it: HTTP beside the socket, one visitor, conversations in memory. */
export class FakeService {
  readonly socket = new FakeServer();
  requests: { method: string; path: string; token: string | null; body: unknown }[] = [];
  conversations: VisitorConversation[] = [];
  messages: Message[] = [];
  visitor = "v1";
  tokens = new Set<string>();
  down = false;
  /** How many calls more are refused because the server is busy, and for how long it says so. */
  busy = 0;
  busy_s = 7;
  staff_online = true;
  /** Names no topic of availability when empty, as a service from before it did not. */
  public_topic = "";
  /** A field that is not known here. */
  refuses = "";
  #issued = 0;

  constructor(private readonly clock: { now(): number }) {
    this.socket.answers["send"] = ({ client_id, text }) => this.say(`${client_id}`, `${text}`);
  }

  readonly fetch = async (
    url: string | URL | Request,
    init: RequestInit = {},
  ): Promise<Response> => {
    const path = `${url}`.replace("https://chat.test/api/v1", "");
    const method = init.method ?? "GET";
    const token = new Headers(init.headers).get("authorization")?.replace("Bearer ", "") ?? null;
    const body: unknown = init.body ? JSON.parse(`${init.body}`) : null;
    this.requests.push({ method, path, token, body });
    if (this.down) throw new TypeError("Failed to fetch");
    if (this.busy > 0) {
      this.busy--;
      return busyFor(this.busy_s);
    }
    if (this.refuses && `${init.body}`.includes(this.refuses)) {
      return refusal(400, "invalid_request", "never");
    }
    if (path.endsWith("/session")) return reply(201, this.#session());
    if (!token || !this.tokens.has(token)) return refusal(401, "not_signed_in", "never");
    return this.#visitor(`${method} ${path}`, body as Record<string, string>);
  };

  say(client_id: string, text: string): Message {
    const known = this.messages.find((each) => each.client_id === client_id);
    if (known) return known;
    if (this.conversations.length === 0) this.conversations = [conversation()];
    return this.add({ client_id, text });
  }

  add(more: Partial<Message>): Message {
    const stored = message(this.messages.length + 1, more);
    this.messages.push(stored);
    return stored;
  }

  paths(method: string): string[] {
    return this.requests.filter((each) => each.method === method).map(({ path }) => path);
  }

  #session(): unknown {
    const token = `t${++this.#issued}`;
    this.tokens = new Set([token]); // a renewed session ends the one before
    const expires_at = new Date(this.clock.now() + 30 * 86_400_000).toISOString();
    return {
      token,
      expires_at,
      visitor: { id: this.visitor },
      site: { ...site, availability: this.#availability() },
      conversations: this.conversations,
    };
  }

  #availability(): object {
    const topic = this.public_topic;
    return { staff_online: this.staff_online, ...(topic ? { topic } : {}) };
  }

  #rate({ value, reason = null }: Rated): Message {
    const at = this.messages.findIndex(({ id }) => id === "m2");
    const rated: Message = {
      ...(this.messages[at] as Message),
      feedback: value === 0 ? null : { value, reason },
      rev: this.messages.length + 1,
    };
    this.messages[at] = rated;
    return rated;
  }

  #visitor(call: string, body: Record<string, string>): Response {
    const after = Number(/after=(\d+)/.exec(call)?.[1] ?? 0);
    switch (call.replace(/\?.*/, "")) {
      case "GET /visitor/availability":
        return reply(200, this.#availability());
      case "GET /visitor/conversations":
        return reply(200, { items: this.conversations, next: null });
      case "POST /visitor/conversations":
        this.conversations = [conversation()];
        return reply(201, this.conversations[0]);
      case "GET /visitor/conversations/c1/messages": {
        const items = this.messages.filter(({ rev }) => rev > after).slice(0, 200);
        const [{ state, handoff }] = this.conversations as [VisitorConversation];
        return reply(200, {
          items,
          answer: null,
          state,
          handoff,
          cursor: items.at(-1)?.rev ?? after,
        });
      }
      case "POST /visitor/conversations/c1/messages":
        return reply(201, this.say(body["client_id"] ?? "", body["text"] ?? ""));
      case "POST /visitor/conversations/c1/handoff":
        this.conversations = [
          conversation({ state: "waiting", handoff: { requested_at: "", taken_by: null }, rev: 1 }),
        ];
        this.add({ author: by.system, text: "The visitor asked for a person." });
        return reply(201, this.conversations[0]);
      case "POST /visitor/messages/m2/retry":
        return reply(202, {});
      case "POST /visitor/messages/m2/feedback":
        return reply(200, this.#rate(body as unknown as Rated));
      default:
        return refusal(404, "not_found", "never");
    }
  }
}

type Rated = { value: 1 | -1 | 0; reason?: string | null };

function busyFor(retry_after_s: number): Response {
  const message = "Too many requests.";
  const error = { code: "too_many_requests", message, retry: "backoff", retry_after_s };
  return reply(429, { error });
}

function reply(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), { status });
}

function refusal(status: number, code: string, retry: string): Response {
  return reply(status, { error: { code, message: code, retry } });
}
