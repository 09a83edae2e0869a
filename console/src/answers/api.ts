/** What a member of the organisation may call about an answer that was given. */
import type { Client } from "openapi-fetch";
import { body, withSignal } from "../http";
import type { Paths } from "../wire";
import type { Notice, Verdict } from "./wire";

export function answerCalls(client: Client<Paths>) {
  const one = (message_id: string) => ({ params: { path: { message_id } } });
  return {
    trace: (mid: string, signal?: AbortSignal) =>
      body(client.GET("/api/v1/answers/{message_id}/trace", { ...one(mid), ...withSignal(signal) })),
    review: (mid: string, verdict: Verdict) =>
      body(client.PUT("/api/v1/answers/{message_id}/review", { ...one(mid), body: verdict })),
    withdrawReview: (mid: string) => body(client.DELETE("/api/v1/answers/{message_id}/review", one(mid))),
    affected: (message_id: string, after: string | null, signal?: AbortSignal) =>
      body(
        client.GET("/api/v1/answers/{message_id}/affected", {
          params: { path: { message_id }, query: after === null ? {} : { after } },
          ...withSignal(signal),
        }),
      ),
    sendNotices: (mid: string, notice: Notice) =>
      body(client.POST("/api/v1/answers/{message_id}/notices", { ...one(mid), body: notice })),
  };
}
