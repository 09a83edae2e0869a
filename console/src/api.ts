/** Every call there is; they give the reply's body or throw an ApiError. */
import { answerCalls } from "./answers/api";
import { assistantCalls } from "./assistant/api";
import { body, clientFor, withSignal } from "./http";
import { crawlCalls, documentCalls, faqCalls, searchCalls } from "./knowledge/api";
import type { NewMessage, View } from "./wire";

export { ApiError } from "./http";

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

    ...answerCalls(client),
    ...assistantCalls(client),
    ...documentCalls(client),
    ...searchCalls(client),
    ...faqCalls(client),
    ...crawlCalls(client),
  };
}
