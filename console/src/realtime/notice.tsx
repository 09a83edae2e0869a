/** Across the top of a screen that is not live, for whoever does not look at the badge. */
import { cx } from "../parts/cx";
import { useNow } from "../parts/now";
import { CONNECTIONS, type Connection, lastUpdate } from "./connection";
import { useLasting } from "./lasting";
import { useConnection, useConnectionStatus } from "./status";

export function ConnectionNotice() {
  const connection = useLasting(useConnection());
  if (connection === "live" || connection === "connecting") return null;
  return <Notice connection={connection} />;
}

function Notice({ connection }: { connection: Connection }) {
  const { reconnect, lastEventAt } = useConnectionStatus();
  const now = useNow();
  const bad = connection === "failed" || connection === "offline";
  return (
    <p
      className={cx(
        "shrink-0 px-4 py-1.5 text-center",
        bad ? "bg-bad-tint text-bad" : "bg-warn-tint text-warn",
      )}
    >
      <span className="font-semibold">{CONNECTIONS[connection].name}.</span> {CONNECTIONS[connection].about}{" "}
      <span className="max-md:hidden">{lastUpdate(lastEventAt, now)} </span>
      {connection !== "paused" && (
        <button type="button" onClick={reconnect} className="font-semibold underline underline-offset-2">
          Reconnect
        </button>
      )}
    </p>
  );
}
