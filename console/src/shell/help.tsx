import { Dialog } from "../parts/dialog";

const SHORTCUTS: [string, string][] = [
  ["j / k", "Next or previous conversation"],
  ["Enter", "Open it"],
  ["r", "Write a reply"],
  ["n", "Write a note"],
  ["i", "Take over, or hand back to the bot"],
  ["e", "Close the conversation"],
  ["Ctrl + Enter", "Send"],
  ["Esc", "Back to the list"],
  ["?", "This help"],
];

export function ShortcutHelp({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Dialog
      title="Keyboard shortcuts"
      about="Single keys are off while you type. You can switch them off in the account menu."
      open={open}
      onClose={onClose}
    >
      <dl className="grid grid-cols-[auto_1fr] items-center gap-x-4 gap-y-2.5">
        {SHORTCUTS.map(([keys, effect]) => (
          <div key={keys} className="contents">
            <dt>
              <kbd className="rounded-md border border-line bg-sunken px-1.5 py-0.5 font-sans text-xs font-medium">
                {keys}
              </kbd>
            </dt>
            <dd>{effect}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
