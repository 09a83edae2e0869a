/** A knowledge base in memory, behind the same paths as the real one. */
import type {
  Crawl,
  CrawlInput,
  CrawlPage,
  Document,
  Embeddings,
  Faq,
  FaqInput,
  ImportReport,
  Override,
  Passage,
  PassageChange,
  Removed,
  SearchReply,
  Site,
  Version,
} from "../src/knowledge/wire";
import { crawl, document, embeddings, faq, searchReply } from "./known";

export class Library {
  documents: Document[] = [];
  passages: Passage[] = [];
  versions: Version[] = [];
  overrides: Override[] = [];
  faqs: Faq[] = [];
  crawls: Crawl[] = [];
  pages: CrawlPage[] = [];
  sites: Site[] = [];
  embeddings: Embeddings = embeddings();
  reply: SearchReply = searchReply();
  removed: Removed = { passages: 2, postings: 31, vectors: 2, files: 1, versions: 1 };
  report: Omit<ImportReport, "dry_run"> = { added: 0, changed: 0, unchanged: 0, failed: 0, rows: [] };
  /** Bodies of what was sent, the latest last. */
  sent: unknown[] = [];

  async answer(request: Request, parts: string[], query: URLSearchParams): Promise<Response> {
    const form = request.headers.get("content-type")?.startsWith("multipart/") ?? false;
    const body: unknown = form
      ? Object.fromEntries(await request.formData())
      : await request.json().catch(() => undefined);
    if (body !== undefined) this.sent.push(body);
    const [room = "", ...rest] = parts;
    switch (room) {
      case "documents":
        return this.#documents(request.method, rest, query, body);
      case "passages":
        return this.#changePassage(rest[0] ?? "", body as PassageChange);
      case "labels":
        return json({ items: [...new Set(this.documents.flatMap(({ labels }) => labels))].sort() });
      case "search":
        return json(this.reply);
      case "embeddings":
        return this.#embeddings(rest[0]);
      case "faqs":
        return this.#faqs(request.method, rest[0], query, body);
      default:
        return this.#crawls(request.method, rest, query, body);
    }
  }

  site(id: string, { labels }: { labels: string[] }): Response {
    this.sent.push({ labels });
    this.sites = this.sites.map((each) => (each.id === id ? { ...each, labels } : each));
    return json(this.sites.find((each) => each.id === id));
  }

  #documents(method: string, [id, what, which]: string[], query: URLSearchParams, body: unknown): Response {
    const one = this.documents.find((each) => each.id === id);
    if (id === undefined && method === "POST") {
      const added = document({ id: `d${this.documents.length + 1}`, status: "queued", passages: 0 });
      this.documents = [added, ...this.documents];
      return json(added, 202);
    }
    if (id === undefined) {
      const kind = query.get("kind");
      return page(this.documents.filter((each) => kind === null || each.kind === kind));
    }
    if (!one)
      return json(
        { error: { code: "not_found", message: "There is no such document.", retry: "never" } },
        404,
      );
    if (what === "versions" && which !== undefined) return json(one, 202);
    if (what === "versions") return page(this.versions);
    if (what === "passages") return page(this.passages.filter((each) => each.document_id === id));
    if (what === "overrides") {
      this.overrides = this.overrides.filter((each) => each.anchor !== which);
      return which === undefined ? page(this.overrides) : new Response(null, { status: 204 });
    }
    if (method === "DELETE") {
      this.documents = this.documents.filter((each) => each.id !== id);
      return json(this.removed);
    }
    if (method === "PATCH") {
      const changed = { ...one, ...(body as Pick<Document, "labels">) };
      this.documents = this.documents.map((each) => (each.id === id ? changed : each));
      return json(changed);
    }
    return json(one);
  }

  #changePassage(id: string, { text, disabled }: PassageChange): Response {
    const before = this.passages.find((each) => each.id === id);
    if (!before) return new Response(null, { status: 404 });
    const read = before.original ?? before.text;
    const changed: Passage = {
      ...before,
      ...(disabled !== undefined && { disabled }),
      ...(text !== undefined && { text: text ?? read, original: text === null ? null : read }),
    };
    this.passages = this.passages.map((each) => (each.id === id ? changed : each));
    return json(changed);
  }

  #embeddings(act: string | undefined): Response {
    if (act === "rollback") {
      const { previous_model, next_model, model } = this.embeddings;
      this.embeddings = embeddings({
        model: next_model ? model : (previous_model ?? model),
        refused_model: next_model ?? model,
      });
    }
    return json(this.embeddings);
  }

  #faqs(method: string, id: string | undefined, query: URLSearchParams, body: unknown): Response {
    if (id === "import") {
      return json({ ...this.report, dry_run: (body as { dry_run: string }).dry_run === "true" });
    }
    if (id === "export") return new Response("question,answer\r\n");
    if (method === "DELETE") {
      this.faqs = this.faqs.filter((each) => each.id !== id);
      return new Response(null, { status: 204 });
    }
    if (method === "GET") {
      const words = query.get("q")?.toLowerCase() ?? "";
      return page(this.faqs.filter(({ question }) => question.toLowerCase().includes(words)));
    }
    const saved = faq({ ...(body as FaqInput), id: id ?? `f${this.faqs.length + 1}` });
    const others = this.faqs.filter((each) => each.id !== saved.id);
    this.faqs =
      id === undefined ? [saved, ...others] : this.faqs.map((each) => (each.id === id ? saved : each));
    return json(saved, id === undefined ? 201 : 200);
  }

  #crawls(method: string, [id, what]: string[], query: URLSearchParams, body: unknown): Response {
    if (id === undefined && method === "GET") return page(this.crawls);
    if (id === undefined) {
      const added = crawl({ ...(body as CrawlInput), id: `w${this.crawls.length + 1}`, status: "queued" });
      this.crawls = [added, ...this.crawls];
      return json(added, 201);
    }
    if (what === "pages") {
      const status = query.get("status");
      return page(this.pages.filter((each) => status === null || each.status === status));
    }
    if (method === "DELETE") {
      this.crawls = this.crawls.filter((each) => each.id !== id);
      return json({ documents: query.get("keep_documents") === "true" ? 0 : 15 });
    }
    return json(
      this.crawls.find((each) => each.id === id),
      what === "run" ? 202 : 200,
    );
  }
}

function page(items: unknown[]): Response {
  return json({ items, next: null });
}

function json(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status, headers: { "content-type": "application/json" } });
}
