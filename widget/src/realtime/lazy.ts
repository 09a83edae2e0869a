import type { socketTransport } from "./socket";
import type { Link, Transport } from "./transport";

/** `socketTransport`, fetched when it is first used: most who open a chat only look. */
export function lazySocketTransport(...where: Parameters<typeof socketTransport>): Transport {
  return (token, events) => {
    let link: Link | null = null;
    let closed = false;
    const opened = import("./socket").then(
      ({ socketTransport }) => {
        if (!closed) link = socketTransport(...where)(token, events);
      },
      () => closed || events.lost({ code: null, retry: "backoff", refused: false }),
    );
    return {
      call: async (event, payload, timeout_ms) => {
        await opened;
        if (!link) throw new Error("closed");
        return link.call(event, payload, timeout_ms);
      },
      close() {
        closed = true;
        link?.close();
      },
    };
  };
}
