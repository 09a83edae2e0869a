/** How a bot speaks, what it asks and what it may cost, in memory, behind the same paths as the real one. */
import type {
  Allowance,
  AllowanceInput,
  Budget,
  Model,
  ModelInput,
  ModelTest,
  Persona,
  PersonaInput,
  PersonaState,
} from "../src/assistant/wire";

const AT = "2026-11-21T08:00:00Z";

export function persona(changed: Partial<Persona> = {}): Persona {
  return {
    version: 0,
    name: "Assistant",
    tone: "friendly",
    length: "short",
    language: "visitor",
    instructions: "",
    never_say: [],
    link_hosts: [],
    ...changed,
  };
}

export function model(changed: Partial<Model> = {}): Model {
  return {
    rank: 1,
    model: "gpt-x",
    base_url: "https://models.example/v1",
    key_hint: "c0de",
    temperature: 0.2,
    input_price: 0.4,
    output_price: 1.6,
    updated_at: AT,
    ...changed,
  };
}

export function allowance(changed: Partial<Allowance> = {}): Allowance {
  return {
    scope: "org",
    answers_per_day: null,
    tokens_per_day: null,
    default_answers_per_day: 5_000,
    default_tokens_per_day: 10_000_000,
    ...changed,
  };
}

export function budget(changed: Partial<Budget> = {}): Budget {
  return {
    allowances: [allowance({ scope: "visitor" }), allowance({ scope: "site" }), allowance()],
    today: { answers: 12, tokens: 34_000, cost: 0.05, visitors_at_limit: 0 },
    days: [{ day: "2026-11-21", answers: 12, tokens: 34_000, cost: 0.05 }],
    ...changed,
  };
}

export class Assistant {
  persona: PersonaState = { published: persona(), draft: null, versions: [] };
  models: Model[] = [];
  install = "extractive";
  test: ModelTest = { ok: true, code: null, message: "gpt-x answered in 800 ms.", first_ms: 320 };
  budget: Budget = budget();
  /** Bodies of what was sent, the latest last. */
  sent: unknown[] = [];

  async answer(request: Request, [room = "", ...rest]: string[]): Promise<Response> {
    const body: unknown = await request.json().catch(() => undefined);
    if (body !== undefined) this.sent.push(body);
    switch (room) {
      case "persona":
        return this.#persona(request.method, rest, body as PersonaInput);
      case "models":
        return this.#models(request.method, rest, body as ModelInput);
      default:
        return this.#budget(request.method, body as { allowances: AllowanceInput[] });
    }
  }

  #persona(method: string, [what, which]: string[], body: PersonaInput): Response {
    const { draft, versions } = this.persona;
    const next = (versions[0]?.version ?? 0) + 1;
    if (what === "draft") {
      this.persona.draft = method === "PUT" ? { ...body, version: next } : null;
    } else if (what === "versions") {
      this.persona.draft = persona({ version: next, name: `As in ${which}` });
    } else if (what === "publish") {
      if (!draft) return refusal(409, "no_draft", "There is no draft to publish.");
      const latest = { version: draft.version, published_at: AT, by: "Ana" };
      this.persona = { published: draft, draft: null, versions: [latest, ...versions] };
    }
    return json(this.persona);
  }

  #models(method: string, [rank, what]: string[], body: ModelInput): Response {
    if (rank === undefined) return json({ items: this.models, install: this.install });
    if (what === "test") return json(this.test);
    const before = this.models.find((each) => `${each.rank}` === rank);
    this.models = this.models.filter((each) => `${each.rank}` !== rank);
    if (method === "DELETE") return new Response(null, { status: 204 });
    const { key, ...rest } = body;
    const key_hint = key === undefined ? (before?.key_hint ?? null) : (key ?? "").slice(-4) || null;
    const saved = model({ ...(rest as Partial<Model>), rank: Number(rank), key_hint });
    this.models.push(saved);
    return json(saved);
  }

  #budget(method: string, body: { allowances: AllowanceInput[] }): Response {
    if (method === "PUT") {
      const allowances = this.budget.allowances.map((each) => ({
        ...each,
        ...body.allowances.find(({ scope }) => scope === each.scope),
      }));
      this.budget = { ...this.budget, allowances };
    }
    return json(this.budget);
  }
}

function refusal(status: number, code: string, message: string): Response {
  return json({ error: { code, message, retry: "refetch" } }, status);
}

function json(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}
