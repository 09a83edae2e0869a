import { afterEach, describe, expect, it, vi } from "vitest";
import { ApiError, accountApi, orgApi } from "../src/api";
import { mayRetry, retryDelay } from "../src/cache";

function answer(body: unknown, status = 200) {
  const asked = vi.fn((_request: Request) =>
    Promise.resolve(
      new Response(body === null ? null : JSON.stringify(body), {
        status,
        headers: { "content-type": "application/json" },
      }),
    ),
  );
  vi.stubGlobal("fetch", asked);
  return () => asked.mock.calls[0]?.[0] as Request;
}

const caught = (promise: Promise<unknown>): Promise<ApiError> =>
  promise.then(
    () => Promise.reject(new Error("was not refused")),
    (error: unknown) => error as ApiError,
  );

afterEach(() => vi.unstubAllGlobals());

describe("a call", () => {
  it("names the organisation it is for; before one is chosen it names none", async () => {
    const request = answer({ items: [], next: null });
    await orgApi("acme").conversations("waiting", null);
    expect(request().headers.get("Chatbot-Org")).toBe("acme");
    expect(new URL(request().url).search).toBe("?view=waiting");

    const before = answer({ items: [], next: null });
    await accountApi().orgs();
    expect(before().headers.has("Chatbot-Org")).toBe(false);
  });

  it("throws what the server said: code, sentence, and whether to try again", async () => {
    answer({ error: { code: "already_taken", message: "Ana already took it.", retry: "refetch" } }, 409);

    const error = await caught(orgApi("acme").take("c1"));

    expect(error).toMatchObject({
      code: "already_taken",
      message: "Ana already took it.",
      status: 409,
      retry: "refetch",
    });
  });

  it("throws a sentence of its own when the reply is none of ours", async () => {
    answer("<html>Bad gateway</html>", 502);

    expect(await caught(orgApi("acme").sites())).toMatchObject({
      code: "unexpected",
      status: 502,
      retry: "backoff",
    });
  });

  it("throws unreachable when there is no network", async () => {
    vi.stubGlobal("fetch", () => Promise.reject(new TypeError("Failed to fetch")));

    expect(await caught(orgApi("acme").sites())).toMatchObject({ code: "unreachable", retry: "backoff" });
  });

  it("sends a file as a form, under its own name", async () => {
    const request = answer({}, 202);
    const append = vi.spyOn(FormData.prototype, "append");
    const file = new File(["# Hi"], "hello.md", { type: "text/markdown" });

    await orgApi("acme").upload({ file, labels: ["staff", "trade"] });

    expect(request().headers.get("content-type")).toMatch(/^multipart\/form-data; boundary=/);
    expect(append).toHaveBeenCalledWith("file", file, "hello.md");
    expect(append).toHaveBeenCalledWith("labels", "staff,trade");
  });

  it("is content with an empty reply", async () => {
    answer(null, 204);

    await expect(orgApi("acme").removeDocument("d1")).resolves.toBeUndefined();
  });
});

describe("trying again", () => {
  it("is only for what may pass, and not for ever", () => {
    const passing = new ApiError("unavailable", "", 503, "backoff");
    expect(mayRetry(0, passing)).toBe(true);
    expect(mayRetry(3, passing)).toBe(false);
    expect(mayRetry(0, new ApiError("forbidden", "", 403, "never"))).toBe(false);
    expect(mayRetry(0, new TypeError("a mistake of ours"))).toBe(false);
  });

  it("waits as long as the server asks", () => {
    expect(retryDelay(0, new ApiError("too_many_requests", "", 429, "backoff", 7))).toBe(7_000);
    expect(retryDelay(2, new ApiError("unavailable", "", 503, "backoff"))).toBe(4_000);
  });
});
