/** What the tests use of the library below Socket.IO's own client. */
declare module "ws" {
  export class WebSocket {
    on(event: "message", told: (data: { toString(): string }) => void): void;
    send(text: string): void;
    close(): void;
    terminate(): void;
  }
  export class WebSocketServer {
    constructor(options: { port: number; host: string });
    on(event: "connection", told: (socket: WebSocket) => void): void;
    once(event: "listening", told: () => void): void;
    address(): { port: number };
    close(): void;
    clients: Set<WebSocket>;
  }
}
