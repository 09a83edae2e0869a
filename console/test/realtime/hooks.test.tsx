import { QueryObserver } from "@tanstack/react-query";
import { act, renderHook } from "@testing-library/react";
import type { BroadcastEvent } from "@widget/wire";
import { describe, expect, it, vi } from "vitest";
import { ApiError } from "../../src/api";
import { keys } from "../../src/keys";
import { useRealtimeBroadcast } from "../../src/realtime/broadcast";
import { useRealtimePresence } from "../../src/realtime/presence";
import { socketToken } from "../../src/realtime/token";
import { useConnection, useConnectionStatus } from "../../src/realtime/status";
import { useFresh, useRealtimeSubscription } from "../../src/realtime/subscription";
import { signal } from "../made";
import { given } from "./given";

const INBOX = "org:o1:inbox";
const NOTES = "conversation:c1:staff";

describe("useRealtimeSubscription", () => {
  const listener = () => ({ signal: vi.fn(), refetch: vi.fn(), refused: vi.fn() });

  it("reads once when joined, hears each signal once, and leaves with the component", async () => {
    const { server, wrapper, pass } = given();
    const heard = listener();
    const { unmount } = renderHook(() => useRealtimeSubscription(INBOX, heard), { wrapper });
    await pass(100);
    const changed = signal(INBOX, "conversation.changed");

    act(() => server.emit("signal", changed));
    act(() => server.emit("signal", changed));
    act(() => server.emit("signal", signal("org:o1:knowledge", "document.changed")));
    unmount();
    await pass(100);
    server.emit("signal", signal(INBOX, "conversation.changed"));

    expect(heard.refetch.mock.calls).toEqual([["joined"]]);
    expect(heard.signal.mock.calls).toEqual([[changed]]);
  });

  it("calls the handler of the last rendering without joining again", async () => {
    const { server, wrapper, pass } = given();
    const [first, second] = [listener(), listener()];
    const { rerender } = renderHook(({ heard }) => useRealtimeSubscription(INBOX, heard), {
      wrapper,
      initialProps: { heard: first },
    });
    await pass(100);

    rerender({ heard: second });
    act(() => server.emit("signal", signal(INBOX, "conversation.changed")));

    expect(first.signal).not.toHaveBeenCalled();
    expect(second.signal).toHaveBeenCalledTimes(1);
    expect(server.toldOf("subscribe")).toHaveLength(1);
  });

  it("goes to another topic when it is asked to, and says what was refused", async () => {
    const { server, wrapper, pass } = given((server) => server.codes.set(NOTES, "not_found"));
    const heard = listener();
    const { rerender } = renderHook(({ topic }) => useRealtimeSubscription(topic, heard), {
      wrapper,
      initialProps: { topic: INBOX },
    });
    await pass(100);

    rerender({ topic: NOTES });
    await pass(100);

    expect(server.toldOf("unsubscribe")).toEqual([{ topics: [INBOX] }]);
    expect(heard.refused).toHaveBeenCalledWith("not_found");
  });

  it("joins a topic once for many, and leaves it with the last", async () => {
    const { server, wrapper, pass } = given();
    const { rerender } = renderHook(
      ({ one, other }) => {
        useRealtimeSubscription(one, listener());
        useRealtimeSubscription(other, listener());
      },
      { wrapper, initialProps: { one: INBOX, other: INBOX } },
    );
    await pass(100);
    expect(server.toldOf("subscribe")).toEqual([{ topics: [INBOX] }]);

    rerender({ one: NOTES, other: INBOX });
    await pass(100);
    expect(server.toldOf("unsubscribe")).toEqual([]);

    rerender({ one: NOTES, other: NOTES });
    await pass(100);
    expect(server.toldOf("unsubscribe")).toEqual([{ topics: [INBOX] }]);
  });
});

describe("useFresh", () => {
  it("reads what is in the cache again, and follows the key it is given", async () => {
    const { server, client, wrapper, pass } = given();
    const read = vi.spyOn(client, "invalidateQueries");
    const { rerender } = renderHook(({ key }) => useFresh(INBOX, key), {
      wrapper,
      initialProps: { key: keys.list("acme", "waiting") },
    });
    await pass(1_000);
    expect(read.mock.calls).toEqual([[{ queryKey: keys.list("acme", "waiting") }]]);

    rerender({ key: keys.list("acme", "waiting") });
    await pass(1_000);
    expect(server.toldOf("subscribe")).toHaveLength(1);
    expect(read).toHaveBeenCalledTimes(1);

    rerender({ key: keys.list("acme", "mine") });
    await pass(1_000);
    expect(read.mock.lastCall).toEqual([{ queryKey: keys.list("acme", "mine") }]);
  });
});

describe("useRealtimeBroadcast", () => {
  it("says something to a topic, and hears what others say there alone", async () => {
    const { server, wrapper, pass } = given();
    const heard = vi.fn<(said: BroadcastEvent) => void>();
    const { result } = renderHook(() => useRealtimeBroadcast(NOTES, heard), { wrapper });
    await pass(100);
    const said = { topic: NOTES, event: "wave", payload: {}, from: { key: "staff:b", name: "Ben" } };

    act(() => result.current("wave", { hand: "left" }));
    act(() => server.emit("broadcast", said));
    act(() => server.emit("broadcast", { ...said, topic: INBOX }));

    expect(server.toldOf("broadcast")).toEqual([{ topic: NOTES, event: "wave", payload: { hand: "left" } }]);
    expect(heard.mock.calls).toEqual([[said]]);
  });

  it("says nothing, and fails in silence, without a connection; who only speaks joins nothing", async () => {
    const { server, wrapper, pass } = given((server) => (server.down = true));
    const { result } = renderHook(() => useRealtimeBroadcast(NOTES), { wrapper });
    await pass(100);

    act(() => result.current("wave", {}));
    await pass(100);

    expect(server.told).toEqual([]);
  });
});

describe("useRealtimePresence", () => {
  it("shows who is there, who comes and who leaves", async () => {
    const { server, wrapper, pass } = given((server) =>
      server.present.set(INBOX, [{ key: "staff:b", name: "Ben", state: {} }]),
    );
    const { result } = renderHook(() => useRealtimePresence(INBOX, null), { wrapper });
    const names = () => result.current?.map(({ name }) => name);
    await pass(100);
    expect(names()).toEqual(["Ben"]);

    act(() => server.enter(INBOX, "staff:c", "Cem"));
    expect(names()).toEqual(["Ben", "Cem"]);

    act(() => server.leave(INBOX, "staff:b"));
    expect(names()).toEqual(["Cem"]);
    expect(server.toldOf("presence")).toEqual([]);
  });

  it("knows nobody before the topic is joined, nor where it is paused", async () => {
    const { server, wrapper, pass } = given((server) => server.codes.set(INBOX, "paused"));
    const { result } = renderHook(() => useRealtimePresence(INBOX, null), { wrapper });
    await pass(1_000);
    expect(result.current).toBeNull();

    server.codes.clear();
    await pass(60_000);

    expect(result.current).toEqual([]);
  });

  it("announces oneself, tells a new state, and takes it back with the component", async () => {
    const { server, live, wrapper, pass } = given();
    live.realtime.start(); // outlives the component
    const { result, rerender, unmount } = renderHook(({ state }) => useRealtimePresence(INBOX, state), {
      wrapper,
      initialProps: { state: { busy: false } },
    });
    await pass(1_000);
    expect(result.current?.map(({ key }) => key)).toEqual(["staff:staff-ana"]);

    rerender({ state: { busy: false } });
    rerender({ state: { busy: true } });
    await pass(1_000);

    expect(server.toldOf("presence")).toEqual([
      { topic: INBOX, state: { busy: false } },
      { topic: INBOX, state: { busy: true } },
    ]);
    unmount();
  });

  it("knows nobody while there is no connection, and announces oneself again when it is back", async () => {
    const { server, wrapper, pass } = given();
    const { result } = renderHook(() => useRealtimePresence(INBOX, {}), { wrapper });
    await pass(1_000);
    expect(result.current).toHaveLength(1);

    act(() => server.drop());
    expect(result.current).toBeNull();

    await pass(5_000);
    expect(result.current).toHaveLength(1);
    expect(server.toldOf("presence")).toHaveLength(2);
  });

  it("moves to another topic: one is no longer in the first", async () => {
    const { server, wrapper, pass } = given();
    const { rerender } = renderHook(({ topic }) => useRealtimePresence(topic, {}), {
      wrapper,
      initialProps: { topic: "conversation:c1:staff" },
    });
    await pass(1_000);

    rerender({ topic: "conversation:c2:staff" });
    await pass(1_000);

    expect(server.present.get("conversation:c1:staff")).toEqual([]);
    expect(server.present.get("conversation:c2:staff")).toHaveLength(1);
  });
});

describe("useConnectionStatus", () => {
  it("counts events, and says when the last one was", async () => {
    const { server, clock, wrapper, pass } = given();
    const { result } = renderHook(useConnectionStatus, { wrapper });
    await pass(5_000);
    expect(result.current).toMatchObject({
      status: "connected",
      events: 0,
      lastEventAt: null,
      lastError: null,
    });

    server.emit("signal", signal(INBOX, "conversation.changed"));
    server.emit("signal", signal(INBOX, "conversation.changed"));
    const at = clock.now();
    await pass(1_000);

    expect(result.current).toMatchObject({ events: 2, lastEventAt: at });
  });

  it("tells what went wrong, and connects anew when asked to", async () => {
    const { server, wrapper, pass } = given();
    const { result } = renderHook(useConnectionStatus, { wrapper });
    await pass(1_000);
    server.down = true;
    act(() => server.drop());
    await pass(10);
    expect(result.current.status).toBe("disconnected");
    expect(result.current.lastError?.code).toBe("network");

    server.down = false;
    act(() => result.current.reconnect());
    await pass(0);

    expect(result.current.status).toBe("connected");
  });
});

describe("useConnection", () => {
  it("is offline as soon as a call that will be tried again went unanswered", async () => {
    const { client, wrapper, pass } = given((server) => (server.down = true));
    const { result } = renderHook(useConnection, { wrapper });
    const queryFn = () => Promise.reject(new ApiError("unreachable", "", 0, "backoff"));
    const observer = new QueryObserver(client, { queryKey: ["x"], queryFn, retry: 3, retryDelay: 60_000 });

    const stop = observer.subscribe(() => undefined);
    await pass(1_000);

    expect(observer.getCurrentResult().error).toBeNull();
    expect(result.current).toBe("offline");
    stop();
  });

  it("is offline while no token for the socket can be had, also between two attempts", async () => {
    const { client, wrapper, pass } = given((server) => (server.down = true));
    const { result } = renderHook(useConnection, { wrapper });
    const gone = { socketToken: () => Promise.reject(new ApiError("unreachable", "", 0, "backoff")) };
    const back = { socketToken: () => Promise.resolve({ token: "t", expires_at: "" }) };
    const waits = { socketToken: () => new Promise<never>(() => undefined) };

    await act(() => socketToken(client, gone).catch(() => undefined));
    void socketToken(client, waits);
    await pass(100);
    expect(result.current).toBe("offline");

    await act(() => socketToken(client, back));
    await pass(100);
    expect(result.current).toBe("reconnecting");
  });

  it("is offline when the server answers no call, whatever the socket says, until it does again", async () => {
    const { client, wrapper, pass } = given((server) => (server.down = true));
    const { result } = renderHook(useConnection, { wrapper });
    await pass(1_000);
    expect(result.current).toBe("reconnecting");

    let answers = false;
    const queryFn = async () => {
      if (!answers) throw new ApiError("unreachable", "The server cannot be reached.", 0, "backoff");
      return "read";
    };
    const observer = new QueryObserver(client, { queryKey: ["x"], queryFn, retry: false });
    const stop = observer.subscribe(() => undefined);
    await pass(100);
    expect(result.current).toBe("offline");

    answers = true;
    await act(() => observer.refetch());
    await pass(100);
    expect(result.current).toBe("reconnecting");
    stop();
  });
});
