/** What a person chose on this machine: kept in the browser, shared by all open screens. */
import { useSyncExternalStore } from "react";

export type Preference = "sound" | "shortcuts";

const DEFAULTS: Record<Preference, boolean> = { sound: false, shortcuts: true };
const listeners = new Set<() => void>();
/** Where storage is blocked a choice lasts as long as the page. */
const remembered = new Map<Preference, string>();

export function preference(name: Preference): boolean {
  const stored = read(name);
  return stored === null ? DEFAULTS[name] : stored === "on";
}

export function setPreference(name: Preference, on: boolean): void {
  remembered.set(name, on ? "on" : "off");
  try {
    localStorage.setItem(place(name), on ? "on" : "off");
  } catch {
    // Remembered all the same, see above.
  }
  for (const listener of listeners) listener();
}

export function usePreference(name: Preference): [boolean, (on: boolean) => void] {
  const on = useSyncExternalStore(subscribe, () => preference(name));
  return [on, (next) => setPreference(name, next)];
}

function read(name: Preference): string | null {
  try {
    return localStorage.getItem(place(name)) ?? remembered.get(name) ?? null;
  } catch {
    return remembered.get(name) ?? null;
  }
}

function place(name: Preference): string {
  return `chatbot-console:${name}`;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  window.addEventListener("storage", listener);
  return () => {
    listeners.delete(listener);
    window.removeEventListener("storage", listener);
  };
}
