// @vitest-environment node
/** Without a connection: listeners are told to read, every 3 s and then less often. */
import { beforeEach, describe, expect, test } from "vitest";
import { settle } from "./clock";
import { type Heard, Line, listener } from "./line";

let line: Line;
let one: Heard;
let readAt: number[];

beforeEach(async () => {
  line = new Line();
  readAt = [];
  one = listener({ refetch: () => void readAt.push(line.clock.now()) });
  line.realtime.join("a", one);
});

/** The seconds between readings, from a connection that never comes. */
async function pauses(ms: number): Promise<number[]> {
  line.realtime.start();
  await settle();
  const start = line.clock.now();
  await line.clock.advance(ms);
  return readAt.map((at, n) => (at - (readAt[n - 1] ?? start)) / 1_000);
}

describe("while there is no connection", () => {
  test("everything is read after 4 s and then every 3 s, backing off to 30 s", async () => {
    const found = await pauses(180_000);

    expect(found.slice(0, 6)).toEqual([4, 4.5, 6.75, 10.125, 15.1875, 22.78125]);
    expect(found.slice(6)).toEqual(found.slice(6).map(() => 30));
  });

  test("up to half as long again, at random: a crowd does not ask all at once", async () => {
    line.clock.chance = 0.5;

    expect(await pauses(12_000)).toEqual([4.75, 5.625]);
  });

  test("ten times less often while the page is hidden", async () => {
    line.page.isHidden = true;

    expect(await pauses(100_000)).toEqual([31, 45]);
  });

  test("a reading is waited for before the next one", async () => {
    let done: () => void = () => undefined;
    line.realtime.join("b", listener({ refetch: () => new Promise<void>((end) => (done = end)) }));
    line.realtime.start();
    await line.clock.advance(4_000);
    await line.clock.advance(60_000);
    expect(readAt).toHaveLength(1);

    done();
    await line.clock.advance(4_500);

    expect(readAt).toHaveLength(2);
  });

  test("a reading that fails stops nothing", async () => {
    line.realtime.join("b", listener({ refetch: () => Promise.reject(new Error("offline")) }));
    line.realtime.start();

    await line.clock.advance(4_000 + 4_500);

    expect(readAt).toHaveLength(2);
  });

  test("the page seen again, or somebody who waits, makes it quick again", async () => {
    line.realtime.start();
    await settle();
    line.server.lose();
    await line.clock.advance(120_000);
    const before = readAt.length;

    line.realtime.hurry();
    await line.clock.advance(3_000);

    expect(readAt).toHaveLength(before + 1);
  });

  test("also when the server refused us for good: reading may still be allowed", async () => {
    line.realtime.start();
    await settle();
    const refusal = { code: "forbidden", retry: "never" as const, refused: true };
    line.server.lose(refusal);
    await line.clock.advance(0);
    line.server.lose(refusal);
    expect(line.realtime.status).toBe("failed");

    await line.clock.advance(4_000);

    expect(readAt).toHaveLength(1);
  });
});

describe("it ends", () => {
  test("when the connection is there; a short gap never begins it", async () => {
    await line.connected();
    readAt = [];
    line.server.lose();
    await line.clock.advance(500);
    await line.open();

    await line.clock.advance(120_000);

    expect(readAt).toEqual([]);
  });

  test("with stop", async () => {
    line.realtime.start();
    await line.clock.advance(4_000);
    line.realtime.stop();

    await line.clock.advance(120_000);

    expect(readAt).toHaveLength(1);
  });

  test("and nothing is polled where nobody listens", async () => {
    const idle = new Line();
    idle.realtime.start();
    await settle();

    expect(idle.clock.next_ms).toBeNull();
  });
});
