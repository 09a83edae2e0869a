/** The way to the server's news, fetched when it is first needed: most who open a chat only look. */
import { browserClock } from "../realtime/clock";
import type { Live, LiveHooks } from "./live";

export type OpenLive = (hooks: LiveHooks) => Promise<Live>;

export function lazyLive(origin: string): OpenLive {
  return async (hooks) => {
    const parts = Promise.all([import("./live"), import("../realtime/socket")]);
    const [{ Live }, { socketTransport }] = await parts;
    return new Live(socketTransport(origin, "/visitor"), browserClock, hooks);
  };
}
