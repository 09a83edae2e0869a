/** Single keys that act; silent while one types, in dialogs and menus, and when switched off. */
import { useEffect, useRef } from "react";
import { preference } from "../preferences";

export type Shortcuts = Partial<Record<string, () => void>>;

const TYPING =
  "input, textarea, select, [contenteditable='true'], [role='dialog'], [role='alertdialog'], [role='menu']";

/** The action a key press stands for, if any. */
export function shortcutFor(event: KeyboardEvent, shortcuts: Shortcuts): (() => void) | undefined {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || event.isComposing)
    return undefined;
  if (event.target instanceof Element && event.target.closest(TYPING)) return undefined;
  // Escape is no character key: it works whatever was chosen.
  if (event.key !== "Escape" && !preference("shortcuts")) return undefined;
  return shortcuts[event.key];
}

export function useShortcuts(shortcuts: Shortcuts): void {
  const latest = useRef(shortcuts);
  useEffect(() => {
    latest.current = shortcuts;
  });
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const action = shortcutFor(event, latest.current);
      if (!action) return;
      event.preventDefault();
      action();
    };
    window.addEventListener("keydown", press);
    return () => window.removeEventListener("keydown", press);
  }, []);
}
