import type { Status } from "@widget/realtime/client";
import { useSyncExternalStore } from "react";
import { cx } from "../parts/cx";
import { useConnectionStatus } from "../org";

type Connection = "live" | "reconnecting" | "offline";

const LOOKS: Record<Connection, { name: string; about: string; dot: string }> = {
  live: { name: "Live", about: "Changes appear at once.", dot: "bg-[#4ade80]" },
  reconnecting: {
    name: "Connecting",
    about: "The live connection is being made. Meanwhile changes are fetched every few seconds.",
    dot: "bg-[#fbbf24] pulse",
  },
  offline: {
    name: "Offline",
    about: "There is no connection. What you see may be old.",
    dot: "bg-[#f87171]",
  },
};

/** What a person calls the state of the socket. Pure. */
export function connectionOf(status: Status, online: boolean): Connection {
  if (!online) return "offline";
  switch (status) {
    case "connected":
      return "live";
    case "connecting":
    case "disconnected":
      return "reconnecting";
    case "suspended":
    case "failed":
      return "offline";
  }
}

export function ConnectionBadge() {
  const online = useSyncExternalStore(subscribe, () => navigator.onLine);
  const { name, about, dot } = LOOKS[connectionOf(useConnectionStatus(), online)];
  return (
    <div
      role="status"
      title={about}
      className="flex flex-col items-center justify-end gap-1.5 py-2 text-xs max-sm:text-[0.68rem] md:py-2.5"
    >
      <span className={cx("size-2.5 rounded-full", dot)} aria-hidden />
      {name}
    </div>
  );
}

function subscribe(changed: () => void): () => void {
  window.addEventListener("online", changed);
  window.addEventListener("offline", changed);
  return () => {
    window.removeEventListener("online", changed);
    window.removeEventListener("offline", changed);
  };
}
