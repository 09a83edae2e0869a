/** A menu behind a button with three dots. */
import * as Radix from "@radix-ui/react-dropdown-menu";
import { EllipsisVertical, type LucideIcon } from "lucide-react";
import type { ReactNode } from "react";
import { buttonClass } from "./button";
import { cx } from "./cx";

/** How a panel of a menu and a line in it look; for menus behind something else than three dots. */
export const MENU_PANEL = "z-40 rounded-xl border border-line bg-surface p-1.5 text-ink shadow-float";
export const MENU_ITEM =
  "flex h-9 cursor-pointer items-center gap-2 rounded-lg px-2 outline-none select-none data-highlighted:bg-hover";

type MenuProps = { label: string; children: ReactNode; disabled?: boolean; className?: string };

export function Menu({ label, children, disabled = false, className }: MenuProps) {
  return (
    <Radix.Root modal={false}>
      <Radix.Trigger
        aria-label={label}
        title={label}
        disabled={disabled}
        className={buttonClass("quiet", className, true)}
      >
        <EllipsisVertical size={17} aria-hidden />
      </Radix.Trigger>
      <Radix.Portal>
        <Radix.Content align="end" sideOffset={4} collisionPadding={8} className={cx(MENU_PANEL, "min-w-44")}>
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

type MenuItemProps = { icon: LucideIcon; danger?: boolean; onSelect: () => void; children: ReactNode };

export function MenuItem({ icon: Icon, danger = false, onSelect, children }: MenuItemProps) {
  return (
    <Radix.Item
      onSelect={onSelect}
      className={cx(
        "flex h-9 cursor-pointer items-center gap-2.5 rounded-lg px-2.5 outline-none select-none",
        danger ? "text-bad data-highlighted:bg-bad-tint" : "data-highlighted:bg-hover",
      )}
    >
      <Icon size={16} aria-hidden />
      {children}
    </Radix.Item>
  );
}
