/** Links that may leave a message: http(s), mailto and tel, everything else stays text. */

const ALLOWED = /^(?:https?:\/\/|mailto:|tel:)/i;
export const BARE_URL = /https?:\/\/[^\s<>"'`\\]{1,2000}/y;

/** The address a link may have, or null. */
export function safeUrl(raw: string): string | null {
  if (!ALLOWED.test(raw)) return null;
  try {
    return new URL(raw).href;
  } catch {
    return null;
  }
}

/** A link that tells its target nothing; null for an address that is not allowed. */
export function link(document: Document, address: string): HTMLAnchorElement | null {
  const url = safeUrl(address);
  if (!url) return null;
  const anchor = document.createElement("a");
  anchor.href = url;
  anchor.target = "_blank";
  anchor.rel = "noopener noreferrer nofollow";
  return anchor;
}

/** The bare address that starts at `at`, without the punctuation that ends its sentence. */
export function bareUrl(text: string, at: number): string | null {
  BARE_URL.lastIndex = at;
  let url = BARE_URL.exec(text)?.[0];
  while (url && /[.,;:!?*_~\])]$/.test(url)) {
    if (url.endsWith(")") && count(url, "(") >= count(url, ")")) break;
    url = url.slice(0, -1);
  }
  return url && url.length > "https://".length ? url : null;
}

/** People's own words: text as it stands, with its addresses made links. */
export function renderPlain(root: Element, text: string): void {
  const document = root.ownerDocument;
  let done = 0;
  for (const { index } of text.matchAll(/\bhttps?:\/\//g)) {
    const url = index >= done ? bareUrl(text, index) : null;
    const anchor = url ? link(document, url) : null;
    if (!url || !anchor) continue;
    anchor.textContent = url;
    root.append(text.slice(done, index), anchor);
    done = index + url.length;
  }
  root.append(text.slice(done));
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}
