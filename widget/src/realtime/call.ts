import type { ApiError } from "../wire";

/** A call that failed: the server's code, or our own `timeout`, `not_connected`. */
export class CallError extends Error {
  override name = "CallError";

  constructor(
    readonly code: string,
    message: string,
    readonly retry: ApiError["retry"] = "backoff",
    readonly retry_after_s: number | undefined = undefined,
  ) {
    super(message);
  }
}

/** Told by its name: the widget has this class in two of its chunks. */
export function isCallError(error: unknown): error is CallError {
  return error instanceof Error && error.name === "CallError";
}
