/** Notices when the page's own security policy keeps us from the server, and says what it lacks. */

/** Calls `blocked` when HTTP is forbidden; a page that forbids only the socket still has the slow way. */
export function watchPolicy(origin: string, signal: AbortSignal, blocked: () => void): void {
  const host = origin.replace(/^http/, "");
  let told = false;
  const violated = (event: SecurityPolicyViolationEvent): void => {
    if (event.effectiveDirective !== "connect-src" || !event.blockedURI.includes(host)) return;
    if (event.blockedURI.startsWith("http")) blocked();
    if (told) return;
    told = true;
    console.warn(`Chatbot: this page's policy lacks connect-src ${origin} ws${host}`);
  };
  document.addEventListener("securitypolicyviolation", violated, { signal });
}
