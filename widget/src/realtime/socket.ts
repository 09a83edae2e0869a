import { io } from "socket.io-client";
import type { Loss, Transport } from "./transport";

const CONNECT_MS_MAX = 10_000;

/** Socket.IO over WebSocket only: no long polling, no sticky sessions, no second transport. */
export function socketTransport(origin: string, namespace: "/visitor" | "/staff"): Transport {
  return (token, events) => {
    const socket = io(origin + namespace, {
      path: "/socket.io",
      transports: ["websocket"],
      reconnection: false,
      forceNew: true,
      timeout: CONNECT_MS_MAX,
      auth: { token },
    });
    let over = false;
    const lose = (loss: Loss): void => {
      if (over) return;
      over = true;
      socket.disconnect();
      events.lost(loss);
    };
    socket.on("connect", () => events.open());
    socket.on("connect_error", (error) => lose(lossOf(error)));
    socket.on("disconnect", () => lose({ code: null, retry: "backoff", refused: false }));
    socket.onAny((name: string, payload: unknown) => {
      if (!over) events.event(name, payload);
    });
    return {
      call: (event, payload, timeout_ms) => socket.timeout(timeout_ms).emitWithAck(event, payload),
      close() {
        over = true;
        socket.disconnect();
      },
    };
  };
}

/** A refused namespace carries `data = {code, retry, …}`; a network failure carries none. */
function lossOf(error: Error & { data?: unknown }): Loss {
  const { code, retry = "backoff", retry_after_s } = (error.data ?? {}) as Partial<Loss>;
  return { code: code ?? null, retry, refused: !!code, retry_after_s };
}
