/** How a call travels: with a limit on its time, and as the reply's body or an ApiError. */
import createClient, { type Client } from "openapi-fetch";
import type { ErrorEnvelope, Paths } from "./wire";

const CALL_MS_MAX = 20_000;
const UPLOAD_MS_MAX = 300_000;
const MODEL_MS_MAX = 40_000; // the server gives a model up before

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

export function clientFor(slug: string | null): Client<Paths> {
  return createClient<Paths>({
    baseUrl: location.origin,
    credentials: "same-origin",
    headers: slug === null ? {} : { "Chatbot-Org": slug },
    fetch: (request) => timed(request, CALL_MS_MAX),
  });
}

export function upload(request: Request): Promise<Response> {
  return timed(request, UPLOAD_MS_MAX);
}

/** For a call that waits for a model. */
export function patient(request: Request): Promise<Response> {
  return timed(request, MODEL_MS_MAX);
}

function timed(request: Request, most_ms: number): Promise<Response> {
  return fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(most_ms)]) });
}

export function formOf(file: File, fields: Record<string, string> = {}): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append("file", file, file.name);
  return form;
}

export function withSignal(signal: AbortSignal | undefined): { signal?: AbortSignal } {
  return signal ? { signal } : {};
}

type Outcome<Data> = { data?: Data; error?: unknown; response: Response };

export async function body<Data>(call: Promise<Outcome<Data>>): Promise<Data> {
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
