// @vitest-environment node
/** The one module that knows Socket.IO, against a server that speaks the protocol by hand, over loopback. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type WebSocket, WebSocketServer } from "ws";
import { socketTransport } from "../src/realtime/socket";
import type { Link, Loss } from "../src/realtime/transport";

const soon = (check: () => void): Promise<void> =>
  vi.waitFor(check, { timeout: 15_000, interval: 5 });

let server: WebSocketServer;
let said: string[];
let socket: WebSocket;
let link: Link;
let opened: number;
let heard: [string, unknown][];
let losses: Loss[];
/** What the server answers to whoever presents a token. */
let welcome: string;
/** How often the server promises a sign of life, and how late one may be, in ms. */
let promise: { pingInterval: number; pingTimeout: number };

beforeEach(async () => {
  [said, heard, losses, opened] = [[], [], [], 0];
  welcome = '40/visitor,{"sid":"s"}';
  promise = { pingInterval: 15_000, pingTimeout: 10_000 };
  server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  server.on("connection", (each) => {
    socket = each;
    each.send(`0${JSON.stringify({ sid: "e", upgrades: [], maxPayload: 65_536, ...promise })}`);
    each.on("message", (data) => {
      said.push(`${data}`);
      if (`${data}`.startsWith("40")) each.send(welcome);
    });
  });
  await new Promise<void>((done) => server.once("listening", done));
});

afterEach(() => {
  link.close();
  server.clients.forEach((each) => each.terminate());
  server.close();
});

function connect(): void {
  const origin = `http://127.0.0.1:${server.address().port}`;
  link = socketTransport(origin, "/visitor")("the token", {
    open: () => opened++,
    event: (name, payload) => heard.push([name, payload]),
    lost: (loss) => losses.push(loss),
  });
}

describe("a connection", () => {
  test("shows its token, hears events, and gets its acknowledgements", async () => {
    connect();
    await soon(() => expect(opened).toBe(1));
    expect(said).toEqual(['40/visitor,{"token":"the token"}']);

    socket.send('42/visitor,["signal",{"id":"s1"}]');
    const reply = link.call("subscribe", { topics: ["a"] }, 10_000);
    await soon(() => expect(said).toHaveLength(2));
    expect(said[1]).toBe('42/visitor,0["subscribe",{"topics":["a"]}]');
    socket.send('43/visitor,0[{"topics":{"a":"ok"}}]');

    expect(await reply).toEqual({ topics: { a: "ok" } });
    expect(heard).toEqual([["signal", { id: "s1" }]]);
  });

  test("that is refused says why and for how long", async () => {
    const data = { code: "too_many_joins", retry: "backoff", retry_after_s: 7, message: "Wait." };
    welcome = `44/visitor,${JSON.stringify({ message: "Wait.", data })}`;
    connect();

    await soon(() => expect(losses).toHaveLength(1));

    const { code, retry, retry_after_s } = data;
    expect(losses).toEqual([{ code, retry, retry_after_s, refused: true }]);
    expect(opened).toBe(0);
  });

  test("that breaks is lost once, after what was said before", async () => {
    connect();
    await soon(() => expect(opened).toBe(1));

    socket.send('42/visitor,["system",{"code":"slow_consumer"}]');
    socket.send("41/visitor,");
    socket.close();

    await soon(() => expect(losses).toHaveLength(1));
    expect(heard).toEqual([["system", { code: "slow_consumer" }]]);
    expect(losses[0]).toMatchObject({ code: null, retry: "backoff", refused: false });
  });

  test("on which the promised sign of life does not come is lost", async () => {
    promise = { pingInterval: 30, pingTimeout: 20 };
    connect();

    await soon(() => expect(losses).toHaveLength(1));

    expect(losses[0]).toMatchObject({ code: null, refused: false });
  });

  test("that we closed says nothing more", async () => {
    connect();
    await soon(() => expect(opened).toBe(1));

    link.close();
    await soon(() => expect(server.clients.size).toBe(0));

    expect(losses).toEqual([]);
  });

  test("a call that is not acknowledged ends", async () => {
    connect();
    await soon(() => expect(opened).toBe(1));

    await expect(link.call("typing", {}, 20)).rejects.toThrow();
  });
});
