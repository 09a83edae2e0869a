/**
 * Plays a story with the official JavaScript client, as test_official_clients.py tells it on standard input.
 *
 * Each step asks one thing and waits for what somebody must hear; a step without a question says `ready` on
 * standard output, so that the test can act. The last line holds all acknowledgements and all that was heard.
 */
import { createRequire } from "node:module";
import { text } from "node:stream/consumers";

const require = createRequire(new URL("../../widget/package.json", import.meta.url));
const { io } = require("socket.io-client");
const WITHIN_MS = 10_000;

const { url, people, story } = JSON.parse(await text(process.stdin));
const result = { acks: {}, heard: {} };
const sockets = {};
let news = () => undefined;

for (const [name, { namespace, token, origin }] of Object.entries(people)) {
  result.acks[name] = {};
  result.heard[name] = {};
  const options = { transports: ["websocket"], auth: { token }, extraHeaders: { Origin: origin }, forceNew: true };
  sockets[name] = io(url + namespace, { ...options, reconnection: false });
  sockets[name].onAny((event, data) => {
    (result.heard[name][event] ??= []).push(data);
    news();
  });
  await within(`${name} connects`, new Promise((done, failed) => sockets[name].on("connect", done).on("connect_error", failed)));
}

for (const { who, ask, payload, hears } of story) {
  if (ask) {
    const filled = JSON.parse(JSON.stringify(payload).replaceAll("$mid", () => result.heard.visitor["answer.start"][0].mid));
    result.acks[who][ask] = await sockets[who].timeout(WITHIN_MS).emitWithAck(ask, filled);
  } else console.log("ready");
  for (const [hearer, event] of hears) {
    await within(`${hearer} hears ${event} after ${ask}`, heard(hearer, event));
  }
}
console.log(JSON.stringify(result));
for (const socket of Object.values(sockets)) socket.disconnect();

async function heard(who, event) {
  while (!result.heard[who][event]) await new Promise((done) => (news = done));
}

async function within(what, promise) {
  let timer;
  const late = new Promise((_, failed) => (timer = setTimeout(() => failed(new Error(`not in time: ${what}`)), WITHIN_MS)));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
