/** Whether what one sees is live, in the rail; a press tells more and connects anew. */
import { lazy, Suspense } from "react";
import { cx } from "../parts/cx";
import { CONNECTIONS, type Connection } from "./connection";
import { useLasting } from "./lasting";
import { useConnection } from "./status";

const ConnectionMenu = lazy(async () => ({ default: (await import("./menu")).ConnectionMenu }));

const DOTS: Record<Connection, string> = {
  live: "bg-[#4ade80]",
  paused: "bg-[#fbbf24]",
  connecting: "bg-[#fbbf24] pulse",
  reconnecting: "bg-[#fbbf24] pulse",
  offline: "bg-[#f87171]",
  failed: "bg-[#f87171]",
};

export function RealtimeConnectionBadge() {
  const connection = useConnection();
  const { name } = CONNECTIONS[connection];
  const lasting = CONNECTIONS[useLasting(connection)];
  const face = (
    <>
      <span className={cx("size-2.5 rounded-full", DOTS[connection])} aria-hidden />
      {name}
    </>
  );
  return (
    <>
      <span role="status" className="sr-only">
        {lasting.name}. {lasting.about}
      </span>
      <Suspense fallback={<span className={PLACE}>{face}</span>}>
        <ConnectionMenu connection={connection} className={PLACE}>
          {face}
        </ConnectionMenu>
      </Suspense>
    </>
  );
}

const PLACE =
  "flex flex-col items-center justify-end gap-1.5 py-2 text-xs max-sm:text-[0.68rem] tracking-tight md:rounded-xl md:py-2.5";
