/** What a member of the organisation may call in its knowledge base. */
import type { Client } from "openapi-fetch";
import { body, formOf, upload, withSignal } from "../http";
import type { Paths } from "../wire";
import type {
  CrawlChange,
  CrawlInput,
  DocumentKind,
  FaqInput,
  PageStatus,
  PassageChange,
  Trial,
} from "./wire";

export type Uploadable = { file: File; labels: string[] };

export function documentCalls(client: Client<Paths>) {
  const one = (document_id: string) => ({ params: { path: { document_id } } });
  return {
    documents: (kind: DocumentKind | null, after: string | null, signal?: AbortSignal) =>
      body(
        client.GET("/api/v1/knowledge/documents", {
          params: { query: { ...(kind && { kind }), ...(after !== null && { after }) } },
          ...withSignal(signal),
        }),
      ),
    document: (id: string, signal?: AbortSignal) =>
      body(client.GET("/api/v1/knowledge/documents/{document_id}", { ...one(id), ...withSignal(signal) })),
    upload: ({ file, labels }: Uploadable) =>
      body(
        client.POST("/api/v1/knowledge/documents", {
          body: { file: file.name, labels: labels.join(",") }, // the form below is what is sent
          bodySerializer: () => formOf(file, labels.length > 0 ? { labels: labels.join(",") } : {}),
          fetch: upload,
        }),
      ),
    labelDocument: (id: string, labels: string[]) =>
      body(client.PATCH("/api/v1/knowledge/documents/{document_id}", { ...one(id), body: { labels } })),
    removeDocument: (id: string) => body(client.DELETE("/api/v1/knowledge/documents/{document_id}", one(id))),
    retryDocument: (id: string) =>
      body(client.POST("/api/v1/knowledge/documents/{document_id}/retry", one(id))),
    versions: (id: string, signal?: AbortSignal) =>
      body(
        client.GET("/api/v1/knowledge/documents/{document_id}/versions", {
          ...one(id),
          ...withSignal(signal),
        }),
      ),
    restoreVersion: (document_id: string, version: number) =>
      body(
        client.POST("/api/v1/knowledge/documents/{document_id}/versions/{version}/restore", {
          params: { path: { document_id, version } },
        }),
      ),
    passages: (document_id: string, after: string | null, signal?: AbortSignal) =>
      body(
        client.GET("/api/v1/knowledge/documents/{document_id}/passages", {
          params: { path: { document_id }, query: after === null ? {} : { after: Number(after) } },
          ...withSignal(signal),
        }),
      ),
    changePassage: (passage_id: string, change: PassageChange) =>
      body(
        client.PATCH("/api/v1/knowledge/passages/{passage_id}", {
          params: { path: { passage_id } },
          body: change,
        }),
      ),
    overrides: (id: string, signal?: AbortSignal) =>
      body(
        client.GET("/api/v1/knowledge/documents/{document_id}/overrides", {
          ...one(id),
          ...withSignal(signal),
        }),
      ),
    removeOverride: (document_id: string, anchor: string) =>
      body(
        client.DELETE("/api/v1/knowledge/documents/{document_id}/overrides/{anchor}", {
          params: { path: { document_id, anchor } },
        }),
      ),
    labels: (signal?: AbortSignal) => body(client.GET("/api/v1/knowledge/labels", { ...withSignal(signal) })),
  };
}

export function searchCalls(client: Client<Paths>) {
  return {
    search: (trial: Trial, signal?: AbortSignal) =>
      body(client.POST("/api/v1/knowledge/search", { body: trial, ...withSignal(signal) })),
    embeddings: (signal?: AbortSignal) =>
      body(client.GET("/api/v1/knowledge/embeddings", { ...withSignal(signal) })),
    rollBackEmbeddings: () => body(client.POST("/api/v1/knowledge/embeddings/rollback")),
    switchEmbeddings: () => body(client.POST("/api/v1/knowledge/embeddings/switch")),
    sites: (signal?: AbortSignal) => body(client.GET("/api/v1/sites", { ...withSignal(signal) })),
    labelSite: (site_id: string, labels: string[]) =>
      body(client.PATCH("/api/v1/sites/{site_id}", { params: { path: { site_id } }, body: { labels } })),
  };
}

export function faqCalls(client: Client<Paths>) {
  const one = (faq_id: string) => ({ params: { path: { faq_id } } });
  return {
    faqs: (q: string, after: string | null, signal?: AbortSignal) =>
      body(
        client.GET("/api/v1/knowledge/faqs", {
          params: { query: { ...(q && { q }), ...(after !== null && { after }) } },
          ...withSignal(signal),
        }),
      ),
    addFaq: (faq: FaqInput) => body(client.POST("/api/v1/knowledge/faqs", { body: faq })),
    changeFaq: (id: string, faq: FaqInput) =>
      body(client.PUT("/api/v1/knowledge/faqs/{faq_id}", { ...one(id), body: faq })),
    removeFaq: (id: string) => body(client.DELETE("/api/v1/knowledge/faqs/{faq_id}", one(id))),
    importFaqs: (file: File, dry_run: boolean) =>
      body(
        client.POST("/api/v1/knowledge/faqs/import", {
          body: { file: file.name, dry_run },
          bodySerializer: () => formOf(file, { dry_run: `${dry_run}` }),
          fetch: upload,
        }),
      ),
    exportFaqs: () => body(client.GET("/api/v1/knowledge/faqs/export", { parseAs: "blob" })),
  };
}

export function crawlCalls(client: Client<Paths>) {
  const one = (crawl_id: string) => ({ params: { path: { crawl_id } } });
  return {
    crawls: (after: string | null, signal?: AbortSignal) =>
      body(
        client.GET("/api/v1/knowledge/crawls", {
          params: { query: after === null ? {} : { after } },
          ...withSignal(signal),
        }),
      ),
    crawl: (id: string, signal?: AbortSignal) =>
      body(client.GET("/api/v1/knowledge/crawls/{crawl_id}", { ...one(id), ...withSignal(signal) })),
    addCrawl: (crawl: CrawlInput) => body(client.POST("/api/v1/knowledge/crawls", { body: crawl })),
    changeCrawl: (id: string, change: CrawlChange) =>
      body(client.PATCH("/api/v1/knowledge/crawls/{crawl_id}", { ...one(id), body: change })),
    runCrawl: (id: string) => body(client.POST("/api/v1/knowledge/crawls/{crawl_id}/run", one(id))),
    removeCrawl: (crawl_id: string, keep_documents: boolean) =>
      body(
        client.DELETE("/api/v1/knowledge/crawls/{crawl_id}", {
          params: { path: { crawl_id }, query: { keep_documents } },
        }),
      ),
    crawlPages: (crawl_id: string, status: PageStatus | null, after: string | null, signal?: AbortSignal) =>
      body(
        client.GET("/api/v1/knowledge/crawls/{crawl_id}/pages", {
          params: {
            path: { crawl_id },
            query: { ...(status && { status }), ...(after !== null && { after }) },
          },
          ...withSignal(signal),
        }),
      ),
  };
}
