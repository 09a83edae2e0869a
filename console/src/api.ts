/** The only module that knows HTTP: every call gives the reply's body or throws an ApiError. */
import createClient, { type Client } from "openapi-fetch";
import type { ErrorEnvelope, NewMessage, Paths, View } from "./wire";

const CALL_MS_MAX = 20_000;
const UPLOAD_MS_MAX = 300_000;

export type Retry = ErrorEnvelope["error"]["retry"];

/** A refusal: the server's `code` and sentence, or our own `unreachable`. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly status: number,
    readonly retry: Retry,
    readonly retry_after_s: number | null = null,
  ) {
    super(message);
  }
}

export type AccountApi = ReturnType<typeof accountApi>;
export type OrgApi = ReturnType<typeof orgApi>;

/** What a person may call before an organisation is chosen. */
export function accountApi() {
  const client = clientFor(null);
  return {
    logIn: (email: string, password: string) =>
      body(client.POST("/api/v1/staff/login", { body: { email, password } })),
    logOut: () => body(client.POST("/api/v1/staff/logout")),
    orgs: (signal?: AbortSignal) => body(client.GET("/api/v1/staff/orgs", { ...withSignal(signal) })),
  };
}

/** What a member of the organisation may call in it. */
export function orgApi(slug: string) {
  const client = clientFor(slug);
  const conversation = (conversation_id: string) => ({ params: { path: { conversation_id } } });
  const document = (document_id: string) => ({ params: { path: { document_id } } });
  return {
    me: (signal?: AbortSignal) => body(client.GET("/api/v1/staff/me", { ...withSignal(signal) })),
    socketToken: () => body(client.POST("/api/v1/staff/socket-token")),

    conversations: (view: View, after: string | null, signal?: AbortSignal) =>
      body(
        client.GET("/api/v1/conversations", {
          params: { query: after === null ? { view } : { view, after } },
          ...withSignal(signal),
        }),
      ),
    transcript: (id: string, after: number, signal?: AbortSignal) =>
      body(
        client.GET("/api/v1/conversations/{conversation_id}/messages", {
          params: { path: { conversation_id: id }, query: { after } },
          ...withSignal(signal),
        }),
      ),
    say: (id: string, message: NewMessage) =>
      body(
        client.POST("/api/v1/conversations/{conversation_id}/messages", {
          ...conversation(id),
          body: message,
        }),
      ),
    take: (id: string) =>
      body(client.POST("/api/v1/conversations/{conversation_id}/handoff/take", conversation(id))),
    release: (id: string) =>
      body(client.POST("/api/v1/conversations/{conversation_id}/handoff/release", conversation(id))),
    close: (id: string) =>
      body(client.POST("/api/v1/conversations/{conversation_id}/close", conversation(id))),

    documents: (after: string | null, signal?: AbortSignal) =>
      body(
        client.GET("/api/v1/knowledge/documents", {
          params: { query: after === null ? {} : { after } },
          ...withSignal(signal),
        }),
      ),
    document: (id: string, signal?: AbortSignal) =>
      body(
        client.GET("/api/v1/knowledge/documents/{document_id}", { ...document(id), ...withSignal(signal) }),
      ),
    upload: (file: File) =>
      body(
        client.POST("/api/v1/knowledge/documents", {
          body: { file: file.name }, // the schema calls bytes a string; the form below is what is sent
          bodySerializer: () => formOf(file),
          fetch: upload,
        }),
      ),
    removeDocument: (id: string) =>
      body(client.DELETE("/api/v1/knowledge/documents/{document_id}", document(id))),
    retryDocument: (id: string) =>
      body(client.POST("/api/v1/knowledge/documents/{document_id}/retry", document(id))),
    passages: (id: string, after: string | null, signal?: AbortSignal) =>
      body(
        client.GET("/api/v1/knowledge/documents/{document_id}/passages", {
          params: { path: { document_id: id }, query: after === null ? {} : { after: Number(after) } },
          ...withSignal(signal),
        }),
      ),
    search: (query: string, limit: number) =>
      body(client.POST("/api/v1/knowledge/search", { body: { query, limit } })),

    sites: (signal?: AbortSignal) => body(client.GET("/api/v1/sites", { ...withSignal(signal) })),
  };
}

function clientFor(slug: string | null): Client<Paths> {
  return createClient<Paths>({
    baseUrl: location.origin,
    credentials: "same-origin",
    headers: slug === null ? {} : { "Chatbot-Org": slug },
    fetch: (request) => timed(request, CALL_MS_MAX),
  });
}

function upload(request: Request): Promise<Response> {
  return timed(request, UPLOAD_MS_MAX);
}

function timed(request: Request, most_ms: number): Promise<Response> {
  return fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(most_ms)]) });
}

function formOf(file: File): FormData {
  const form = new FormData();
  form.append("file", file, file.name);
  return form;
}

function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

type Outcome<Data> = { data?: Data; error?: unknown; response: Response };

async function body<Data>(call: Promise<Outcome<Data>>): Promise<Data> {
  let outcome: Outcome<Data>;
  try {
    outcome = await call;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError("unreachable", "The server cannot be reached. Check your connection.", 0, "backoff");
  }
  if (!outcome.response.ok) throw refusal(outcome.error, outcome.response.status);
  return outcome.data as Data;
}

function refusal(error: unknown, status: number): ApiError {
  const told = (error as Partial<ErrorEnvelope> | null | undefined)?.error;
  if (typeof told?.code === "string") {
    return new ApiError(told.code, told.message, status, told.retry, told.retry_after_s ?? null);
  }
  const retry = status >= 500 ? "backoff" : "never";
  return new ApiError("unexpected", `The server answered ${status}. Try again in a moment.`, status, retry);
}
