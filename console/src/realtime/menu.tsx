/** What a press on the connection badge tells: when the last update came, what went wrong, what to do. */
import * as Menu from "@radix-ui/react-dropdown-menu";
import { useQueryClient } from "@tanstack/react-query";
import { RefreshCw } from "lucide-react";
import type { ReactNode } from "react";
import { cx } from "../parts/cx";
import { MENU_ITEM, MENU_PANEL } from "../parts/menu";
import { clockTime, dayName, fullTime } from "../times";
import { CONNECTIONS, type Connection } from "./connection";
import { useLive } from "./provider";
import { useConnectionStatus } from "./status";

type ConnectionMenuProps = { connection: Connection; className: string; children: ReactNode };

/** `children` is what is pressed. */
export function ConnectionMenu({ connection, className, children }: ConnectionMenuProps) {
  const { realtime } = useLive();
  const client = useQueryClient();
  const { name, about } = CONNECTIONS[connection];
  const isConnected = connection === "live" || connection === "paused";
  const readAll = (): void => void client.refetchQueries({ type: "active" });
  return (
    <Menu.Root modal={false}>
      <Menu.Trigger title={about} className={cx(className, "hover:text-white data-[state=open]:text-white")}>
        {children}
      </Menu.Trigger>
      <Menu.Portal>
        <Menu.Content
          side="top"
          align="end"
          sideOffset={6}
          collisionPadding={8}
          className={cx(MENU_PANEL, "w-72")}
        >
          <div className="px-2 pt-1 pb-2">
            <p className="font-semibold">{name}</p>
            <p className="text-soft">{about}</p>
            <Figures />
          </div>
          <Menu.Item onSelect={isConnected ? readAll : () => realtime.reconnect()} className={MENU_ITEM}>
            <RefreshCw size={16} aria-hidden /> {isConnected ? "Read everything again" : "Reconnect"}
          </Menu.Item>
        </Menu.Content>
      </Menu.Portal>
    </Menu.Root>
  );
}

function Figures() {
  const { events, lastEventAt, lastError } = useConnectionStatus();
  return (
    <dl className="mt-2 grid grid-cols-[auto_1fr] gap-x-3 gap-y-1 border-t border-line pt-2 text-xs text-soft">
      <dt>Last update</dt>
      <dd className="text-ink">{lastEventAt === null ? "none yet" : time(lastEventAt)}</dd>
      <dt>Updates</dt>
      <dd className="text-ink tabular-nums">{events.toLocaleString()}</dd>
      {lastError && (
        <>
          <dt>Last problem</dt>
          <dd className="text-ink wrap-anywhere">
            {lastError.code}, {time(lastError.at)}
          </dd>
        </>
      )}
    </dl>
  );
}

function time(at: number): string {
  const text = new Date(at).toISOString();
  return dayName(text, Date.now()) === "Today" ? clockTime(text) : fullTime(text);
}
