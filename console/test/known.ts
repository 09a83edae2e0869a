/** Things of the knowledge base as the server sends them, with only what a test cares about spelled out. */
import type {
  Crawl,
  CrawlPage,
  Document,
  Embeddings,
  Faq,
  Passage,
  SearchHit,
  SearchReply,
  Site,
  Version,
} from "../src/knowledge/wire";

const AT = "2026-11-21T08:00:00Z";

export function document(changed: Partial<Document> = {}): Document {
  return {
    id: "d1",
    kind: "file",
    name: "returns.md",
    title: "returns",
    url: null,
    labels: [],
    media_type: "text/markdown",
    size_bytes: 580,
    status: "ready",
    error: null,
    progress: 1,
    pages: null,
    passages: 2,
    version: 1,
    live_version: 1,
    created_at: AT,
    updated_at: AT,
    ...changed,
  };
}

export function version(changed: Partial<Version> = {}): Version {
  return {
    version: 1,
    size_bytes: 580,
    pages: null,
    passages: 2,
    live: false,
    restorable: true,
    restored_from: null,
    created_at: AT,
    ...changed,
  };
}

export function passage(changed: Partial<Passage> = {}): Passage {
  return {
    id: "p1",
    document_id: "d1",
    ord: 0,
    kind: "document",
    heading: "Returns",
    page: 3,
    text: "Within 30 days.",
    original: null,
    disabled: false,
    tokens: 5,
    ...changed,
  };
}

export function hit(changed: Partial<SearchHit> = {}): SearchHit {
  return {
    passage: passage(),
    title: "returns.md",
    url: null,
    lexical: 1.32,
    vector: 0.64,
    score: 0.987,
    coverage: 0.8,
    strength: 0.5,
    words: [],
    reranked: null,
    ...changed,
  };
}

export function searchReply(changed: Partial<SearchReply> = {}): SearchReply {
  return {
    items: [],
    band: "unknown",
    evidence: {
      coverage: 0,
      strength: 0,
      cosine: 0,
      support: 0.1,
      partial_from: 0.25,
      answered_from: 0.6,
    },
    query: "",
    corrections: [],
    curated: null,
    ...changed,
  };
}

export function embeddings(changed: Partial<Embeddings> = {}): Embeddings {
  return {
    model: "wordllama-l2-supercat-256",
    next_model: null,
    previous_model: null,
    refused_model: null,
    passages: 10,
    embedded: 10,
    progress: 1,
    approximate: false,
    ...changed,
  };
}

export function faq(changed: Partial<Faq> = {}): Faq {
  return {
    id: "f1",
    question: "How long may I return something?",
    variants: ["return period"],
    answer: "Thirty days.",
    url: null,
    labels: [],
    word_for_word: true,
    enabled: true,
    updated_at: AT,
    ...changed,
  };
}

export function crawl(changed: Partial<Crawl> = {}): Crawl {
  return {
    id: "w1",
    url: "https://shop.example/help",
    kind: "site",
    depth: 3,
    pages_max: 500,
    delay_ms: 1_000,
    schedule: "weekly",
    labels: [],
    status: "done",
    error: null,
    counts: { waiting: 0, fetched: 12, unchanged: 3, skipped: 2, failed: 1, gone: 0 },
    run: 1,
    started_at: AT,
    finished_at: AT,
    next_at: AT,
    ...changed,
  };
}

export function crawlPage(changed: Partial<CrawlPage> = {}): CrawlPage {
  return {
    url: "https://shop.example/help/returns",
    status: "fetched",
    error: null,
    http_status: 200,
    document_id: "d1",
    depth: 1,
    fetched_at: AT,
    ...changed,
  };
}

export function site(changed: Partial<Site> = {}): Site {
  return {
    id: "s1",
    key: "pk_1",
    name: "Shop",
    allowed_origins: ["https://shop.example"],
    greeting: "Hello",
    starters: [],
    labels: [],
    tag: '<script src="/chat.js"></script>',
    ...changed,
  };
}
