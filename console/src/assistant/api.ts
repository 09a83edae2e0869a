/** What a member of the organisation may call about its bot: how it speaks, what it asks, what it may cost. */
import type { Client } from "openapi-fetch";
import { body, patient, withSignal } from "../http";
import type { Paths } from "../wire";
import type { AllowanceInput, ModelInput, PersonaInput } from "./wire";

export function assistantCalls(client: Client<Paths>) {
  const ranked = (rank: number) => ({ params: { path: { rank } } });
  return {
    persona: (signal?: AbortSignal) => body(client.GET("/api/v1/org/persona", { ...withSignal(signal) })),
    savePersona: (persona: PersonaInput) => body(client.PUT("/api/v1/org/persona/draft", { body: persona })),
    discardPersona: () => body(client.DELETE("/api/v1/org/persona/draft")),
    publishPersona: () => body(client.POST("/api/v1/org/persona/publish")),
    restorePersona: (version: number) =>
      body(client.POST("/api/v1/org/persona/versions/{version}/restore", { params: { path: { version } } })),

    models: (signal?: AbortSignal) => body(client.GET("/api/v1/org/models", { ...withSignal(signal) })),
    saveModel: (rank: number, model: ModelInput) =>
      body(client.PUT("/api/v1/org/models/{rank}", { ...ranked(rank), body: model })),
    removeModel: (rank: number) => body(client.DELETE("/api/v1/org/models/{rank}", ranked(rank))),
    testModel: (rank: number) =>
      body(client.POST("/api/v1/org/models/{rank}/test", { ...ranked(rank), fetch: patient })),

    budget: (signal?: AbortSignal) => body(client.GET("/api/v1/org/budget", { ...withSignal(signal) })),
    setBudget: (allowances: AllowanceInput[]) =>
      body(client.PUT("/api/v1/org/budget", { body: { allowances } })),
  };
}
