/** What a signal makes stale. Pure. */
import type { QueryKey } from "@tanstack/react-query";
import { keys } from "../keys";
import type { Signal } from "../wire";

export function staleAfter(signal: Signal, slug: string): QueryKey[] {
  const [scope, id = "", feature] = signal.topic.split(":");
  switch (`${scope}:${feature}`) {
    case "org:inbox":
      return [keys.lists(slug), keys.budget(slug)];
    case "org:knowledge":
      return knowledgeAfter(signal, slug);
    case "conversation:messages":
    case "conversation:staff":
      return [keys.thread(slug, id)];
    default:
      return [];
  }
}

/** A question with its answer is a document too; what a crawl reads is its pages. */
function knowledgeAfter({ event, ids }: Signal, slug: string): QueryKey[] {
  if (event === "crawl.changed") {
    return [keys.crawls(slug), ...(ids.crawl_id ? [keys.crawl(slug, ids.crawl_id)] : [])];
  }
  const lists = [keys.documents(slug), keys.faqs(slug), keys.labels(slug), keys.embeddings(slug)];
  return ids.document_id ? [...lists, keys.document(slug, ids.document_id)] : lists;
}
