/** What a person calls the state of the live connection. Pure. */
import type { Stats } from "@widget/realtime/client";
import { age } from "../times";

export type Connection = "live" | "paused" | "connecting" | "reconnecting" | "offline" | "failed";

export const CONNECTIONS: Record<Connection, { name: string; about: string }> = {
  live: { name: "Live", about: "Changes appear at once." },
  paused: {
    name: "Partly live",
    about: "Some live updates are off. Updates every few seconds, later every half minute.",
  },
  connecting: { name: "Connecting", about: "The live connection is being made." },
  reconnecting: { name: "Reconnecting", about: "Updates every few seconds, later every half minute." },
  offline: { name: "Offline", about: "The server cannot be reached. What you see may be old." },
  failed: { name: "Failed", about: "Live updates were refused. Updates every half minute." },
};

/** `reachable`: whether the server answers other calls; without it nothing is up to date. */
export function connectionOf(
  { status, paused }: Pick<Stats, "status" | "paused">,
  reachable: boolean,
): Connection {
  if (status === "connected") return paused.length === 0 ? "live" : "paused";
  if (!reachable) return "offline";
  switch (status) {
    case "connecting":
      return "connecting";
    case "disconnected":
    case "suspended":
      return "reconnecting";
    case "failed":
      return "failed";
  }
}

/** "Last live update 4 min ago.": how old what one sees may be. */
export function lastUpdate(at: number | null, now: number): string {
  if (at === null) return "No live update yet.";
  const passed = age(at, now);
  return `Last live update ${passed === "now" ? "less than a minute" : passed} ago.`;
}
