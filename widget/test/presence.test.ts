// @vitest-environment node
/** Who is there: kept equal to what the server says, announced again after each return. */
import { beforeEach, describe, expect, test } from "vitest";
import type { Member } from "../src/wire";
import { settle } from "./clock";
import { Line, listener } from "./line";

const ana: Member = { key: "staff:1", name: "Ana", state: { viewing: true } };
const ben: Member = { key: "staff:2", name: "Ben", state: { viewing: true } };
const topic = "conversation:c1:staff";

let line: Line;
let there: Member[];

beforeEach(() => {
  line = new Line();
  there = [];
  line.server.answers["presence"] = ({ state }) => {
    there = there.filter(({ key }) => key !== ana.key);
    if (state) there.push({ ...ana, state: state as Member["state"] });
    return { members: there };
  };
});

function told(joined: Member[], left: string[] = [], state: Member[] | null = null): void {
  line.server.send("presence", { topic, joined, left, state });
}

const names = (members: readonly Member[]): string[] => members.map(({ name }) => name);

describe("members", () => {
  test("come, change and leave; the whole list takes the place of what was known", async () => {
    const presence = line.realtime.presence(topic);
    const seen: string[][] = [];
    presence.onMembers((members) => seen.push(names(members)));
    await line.connected();

    told([], [], [ana]);
    told([ben]);
    told([{ ...ben, state: { viewing: false } }]);
    expect(presence.members()).toEqual([ana, { ...ben, state: { viewing: false } }]);
    told([], [ana.key]);
    told([], [], []);

    expect(seen).toEqual([["Ana"], ["Ana", "Ben"], ["Ana", "Ben"], ["Ben"], []]);
  });

  test("are the same array until something changes, so that a view may compare", async () => {
    const presence = line.realtime.presence(topic);
    await line.connected();
    told([], [], [ana, ben]);
    const before = presence.members();

    told([ben], [], null);
    told([], [], [ben, ana]);

    expect(presence.members()).toBe(before);
  });

  test("are counted by the server, which lists no more than some", async () => {
    const presence = line.realtime.presence(topic);
    await line.connected();

    line.server.send("presence", { topic, joined: [], left: [], state: [ana], count: 900 });

    expect([presence.members().length, presence.count()]).toEqual([1, 900]);
  });

  test("are asked for on a topic that the page is in already, once", async () => {
    line.realtime.join(topic, listener());
    await line.connected();
    there = [ben];

    const presence = line.realtime.presence(topic);
    await line.clock.advance(60_000);

    expect(line.server.callsOf("presence")).toEqual([{ topic, state: null }]);
    expect(presence.members()).toEqual([ben]);
  });

  test("are asked for where the topic is being joined: they may have been told before", async () => {
    let reply: () => void = () => undefined;
    const { subscribe } = line.server.answers;
    line.server.answers["subscribe"] = async (asked) => {
      await new Promise<void>((told) => (reply = told));
      return subscribe?.(asked);
    };
    line.realtime.join(topic, listener());
    await line.connected();
    there = [ben];

    const presence = line.realtime.presence(topic);
    reply();
    await settle();

    expect(presence.members()).toEqual([ben]);
  });

  test("are asked for again when that came too often", async () => {
    const error = { code: "too_many_requests", message: "", retry: "backoff", retry_after_s: 3 };
    const taken = line.server.answers["presence"];
    line.realtime.join(topic, listener());
    await line.connected();
    there = [ben];
    line.server.answers["presence"] = () => ({ error });

    const presence = line.realtime.presence(topic);
    await settle();
    line.server.answers["presence"] = taken as never;
    await line.clock.advance(3_000);

    expect(presence.members()).toEqual([ben]);
  });

  test("who left while we were away is gone when we are back, without anybody saying so", async () => {
    const presence = line.realtime.presence(topic);
    const seen: string[][] = [];
    await line.connected();
    told([], [], [ana, ben]);
    presence.onMembers((members) => seen.push(names(members)));
    line.server.lose();
    await line.clock.advance(2_000);
    await line.open();

    expect(seen).toEqual([[]]);
  });

  test("who is still there when we are back never flickers", async () => {
    const presence = line.realtime.presence(topic);
    const seen: string[][] = [];
    await line.connected();
    told([], [], [ana, ben]);
    presence.onMembers((members) => seen.push(names(members)));
    line.server.lose();
    await line.clock.advance(2_000);
    line.server.open();
    told([], [], [ben]); // told before the acknowledgement of the subscription
    await settle();

    expect(seen).toEqual([["Ben"]]);
  });

  test("of another topic are not ours, and of a topic that is refused there are none", async () => {
    const presence = line.realtime.presence(topic);
    await line.connected();
    told([ana]);
    line.server.send("presence", { topic: "other", joined: [ben], left: [], state: null });
    expect(names(presence.members())).toEqual(["Ana"]);

    line.subscribed({ [topic]: "not_found" });
    line.notice("access_changed", "refetch");
    await settle();

    expect(presence.members()).toEqual([]);
  });
});

describe("our own sign", () => {
  test("is given once the topic is joined, and shown with the reply", async () => {
    const presence = line.realtime.presence(topic);
    presence.announce({ viewing: true });
    expect(line.server.calls).toEqual([]);

    await line.connected();

    expect(line.server.calls.map(({ event }) => event)).toEqual(["subscribe", "presence"]);
    expect(line.server.callsOf("presence")).toEqual([{ topic, state: { viewing: true } }]);
    expect(presence.members()).toEqual([ana]);
  });

  test("is given again after each return, though the signals need no reading", async () => {
    line.realtime.presence(topic).announce({ viewing: true });
    await line.connected();
    await line.clock.advance(2_000);
    line.server.lose();
    there = [];

    await line.clock.advance(2_000);
    await line.open();

    expect(there).toEqual([ana]);
  });

  test("is given again when its call was lost with the connection", async () => {
    const taken = line.server.answers["presence"];
    let lose: (error: Error) => void = () => undefined;
    line.server.answers["presence"] = () => new Promise((_, reject) => (lose = reject));
    line.realtime.presence(topic).announce({ viewing: true });
    await line.connected();
    line.server.lose();
    line.server.answers["presence"] = taken as never;
    await line.clock.advance(1_000);
    await line.open();
    expect(there).toEqual([]);

    lose(new Error("no acknowledgement"));
    await line.clock.advance(0);

    expect(there).toEqual([ana]);
  });

  test("is given again when the server did not answer, and the connection lives on", async () => {
    const taken = line.server.answers["presence"];
    delete line.server.answers["presence"];
    line.realtime.presence(topic).announce({ viewing: true });
    await line.connected();
    line.server.answers["presence"] = taken as never;

    await line.clock.advance(5_000);

    expect(there).toEqual([ana]);
    expect(line.server.links).toHaveLength(1);
  });

  test("the same twice costs nothing; many changes in a moment cost the first and the last", async () => {
    const presence = line.realtime.presence(topic);
    presence.announce({ viewing: true });
    await line.connected();

    presence.announce({ viewing: true });
    for (let n = 0; n < 50; n++) presence.announce({ viewing: n % 2 === 0 });
    await line.clock.advance(10_000);

    expect(line.server.callsOf("presence").map(({ state }) => state)).toEqual([
      { viewing: true },
      { viewing: false },
    ]);
  });

  test("of several places on a page is the one said last, until all have ended", async () => {
    const [one, other] = [line.realtime.presence(topic), line.realtime.presence(topic)];
    one.announce({ viewing: true });
    other.announce({ viewing: false });
    await line.connected();
    await line.clock.advance(2_000);
    expect(there).toMatchObject([{ state: { viewing: false } }]);

    other.end();
    await line.clock.advance(2_000);
    expect(there).toMatchObject([{ state: { viewing: true } }]);
    expect(line.server.callsOf("unsubscribe")).toEqual([]);

    one.end();
    await line.clock.advance(2_000);
    // Leaving the topic takes it back.
    expect(line.server.calls.at(-1)).toEqual({
      event: "unsubscribe",
      payload: { topics: [topic] },
    });
  });

  test.each([0, 2_000])("is taken back where the topic is heard on, also at once", async (ms) => {
    line.realtime.join(topic, listener());
    const presence = line.realtime.presence(topic);
    presence.announce({ viewing: true });
    await line.connected();
    await line.clock.advance(ms);

    presence.end();
    await settle();

    expect(there).toEqual([]);
    expect(line.server.callsOf("unsubscribe")).toEqual([]);
  });

  test("is taken back without leaving", async () => {
    const presence = line.realtime.presence(topic);
    presence.announce({ viewing: true });
    await line.connected();

    presence.withdraw();
    await line.clock.advance(2_000);

    expect(there).toEqual([]);
    expect(line.server.callsOf("unsubscribe")).toEqual([]);
  });

  test("ended and given again in one turn never leaves", async () => {
    const presence = line.realtime.presence(topic);
    presence.announce({ viewing: true });
    await line.connected();
    await line.clock.advance(2_000);

    presence.end();
    line.realtime.presence(topic).announce({ viewing: true });
    await line.clock.advance(2_000);

    expect(line.server.callsOf("presence")).toHaveLength(1);
    expect(line.server.callsOf("unsubscribe")).toEqual([]);
  });

  test("that came too often is given again when the server says; one refused for good is not", async () => {
    const error = { code: "too_many_requests", message: "", retry: "backoff", retry_after_s: 3 };
    const taken = line.server.answers["presence"];
    line.server.answers["presence"] = () => ({ error });
    const presence = line.realtime.presence(topic);
    presence.announce({ viewing: true });
    await line.connected();
    line.server.answers["presence"] = taken as never;
    await line.clock.advance(3_000);
    expect(there).toEqual([ana]);

    const never = { code: "forbidden", message: "", retry: "never" };
    line.server.answers["presence"] = () => ({ error: never });
    presence.announce({ viewing: false });
    await line.clock.advance(600_000);

    expect(line.server.callsOf("presence")).toHaveLength(3);
  });
});

describe("a broadcast", () => {
  test("goes out as it is, and is heard by who listens to that topic", async () => {
    const heard: unknown[] = [];
    const stop = line.realtime.onBroadcast(topic, ({ event, payload }) =>
      heard.push([event, payload]),
    );
    line.server.answers["broadcast"] = () => ({});
    await line.connected();

    await line.realtime.broadcast(topic, "cursor", { at: 3 });
    const from = { key: ben.key, name: ben.name };
    line.server.send("broadcast", { topic, event: "cursor", payload: { at: 4 }, from });
    line.server.send("broadcast", { topic: "other", event: "cursor", payload: {}, from });
    stop();
    line.server.send("broadcast", { topic, event: "cursor", payload: { at: 5 }, from });
    await settle();

    expect(line.server.callsOf("broadcast")).toEqual([
      { topic, event: "cursor", payload: { at: 3 } },
    ]);
    expect(heard).toEqual([["cursor", { at: 4 }]]);
    expect(line.server.callsOf("unsubscribe")).toEqual([{ topics: [topic] }]);
  });

  test("that the policy forbids rejects with its code", async () => {
    const error = { code: "forbidden", message: "Not here.", retry: "never" };
    line.server.answers["broadcast"] = () => ({ error });
    await line.connected();

    await expect(line.realtime.broadcast(topic, "x", {})).rejects.toMatchObject({
      code: "forbidden",
      retry: "never",
    });
  });
});
