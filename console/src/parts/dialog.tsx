/** Dialogs on Radix. The scrim is our own: Radix's would write a style element, which a strict policy forbids. */
import * as Alert from "@radix-ui/react-alert-dialog";
import * as Radix from "@radix-ui/react-dialog";
import { X } from "lucide-react";
import { type ReactNode, useRef } from "react";
import { buttonClass } from "./button";
import { cx } from "./cx";

const SCRIM = "fixed inset-0 z-40 bg-scrim";
const CARD = "fixed z-50 bg-surface text-ink shadow-float outline-none";
const CENTRED =
  "top-1/2 left-1/2 max-h-[85dvh] w-[calc(100vw-2rem)] -translate-1/2 overflow-y-auto rounded-2xl p-5";

/** Radix gives the focus back to its own triggers only; ours open from anywhere, and the focus goes back there. */
function useFocusBack(open: boolean): (event: Event) => void {
  const from = useRef<Element | null>(null);
  const was = useRef(false);
  // Before a field inside takes the focus: later nobody knows where it was.
  if (open && !was.current) from.current = document.activeElement;
  was.current = open;
  return (event) => {
    if (!(from.current instanceof HTMLElement) || !from.current.isConnected) return;
    event.preventDefault();
    from.current.focus();
  };
}

type DialogProps = {
  title: string;
  about?: string;
  open: boolean;
  onClose: () => void;
  children: ReactNode;
  /** A sheet stands at the side and is as high as the window. */
  side?: boolean;
};

export function Dialog({ title, about, open, onClose, children, side = false }: DialogProps) {
  const focusBack = useFocusBack(open);
  return (
    <Radix.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Radix.Portal>
        <div className={SCRIM} />
        <Radix.Content
          className={cx(
            CARD,
            side
              ? "inset-y-0 right-0 flex w-full max-w-xl flex-col sm:border-l sm:border-line"
              : cx(CENTRED, "max-w-md"),
          )}
          onCloseAutoFocus={focusBack}
          {...(about === undefined ? { "aria-describedby": undefined } : {})}
        >
          <header className={cx("flex items-start gap-3", side ? "border-b border-line p-4" : "mb-4")}>
            <div className="min-w-0 flex-1">
              <Radix.Title className="text-base font-semibold wrap-anywhere">{title}</Radix.Title>
              {about !== undefined && (
                <Radix.Description className="mt-0.5 text-soft">{about}</Radix.Description>
              )}
            </div>
            <Radix.Close className={buttonClass("quiet", "-m-1", true)} aria-label="Close">
              <X size={18} aria-hidden />
            </Radix.Close>
          </header>
          {children}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  );
}

type ConfirmProps = {
  title: string;
  about: string;
  action: string;
  danger?: boolean;
  open: boolean;
  onClose: () => void;
  onConfirm: () => void;
};

export function Confirm({ title, about, action, danger = false, open, onClose, onConfirm }: ConfirmProps) {
  const go = useRef<HTMLButtonElement>(null);
  const focusBack = useFocusBack(open);
  // What can be undone is one key press away; what cannot is not.
  const focusGo = (event: Event): void => {
    if (danger) return;
    event.preventDefault();
    go.current?.focus();
  };
  return (
    <Alert.Root open={open} onOpenChange={(next) => !next && onClose()}>
      <Alert.Portal>
        <div className={SCRIM} />
        <Alert.Content
          className={cx(CARD, CENTRED, "max-w-sm")}
          onOpenAutoFocus={focusGo}
          onCloseAutoFocus={focusBack}
        >
          <Alert.Title className="text-base font-semibold wrap-anywhere">{title}</Alert.Title>
          <Alert.Description className="mt-1.5 text-soft">{about}</Alert.Description>
          <div className="mt-5 flex justify-end gap-2">
            <Alert.Cancel className={buttonClass("plain")}>Cancel</Alert.Cancel>
            <Alert.Action ref={go} className={buttonClass(danger ? "danger" : "primary")} onClick={onConfirm}>
              {action}
            </Alert.Action>
          </div>
        </Alert.Content>
      </Alert.Portal>
    </Alert.Root>
  );
}

type AskProps = {
  title: string;
  about: ReactNode;
  action: string;
  danger?: boolean;
  busy: boolean;
  problem: string | null;
  onClose: () => void;
  onConfirm: () => void;
  children?: ReactNode;
};

/** A question that stays until what it asks for is done, and says so when that fails. */
export function Ask(props: AskProps) {
  const { title, about, action, danger = false, busy, problem, onClose, onConfirm, children } = props;
  const focusBack = useFocusBack(true);
  return (
    <Alert.Root open onOpenChange={(next) => !next && !busy && onClose()}>
      <Alert.Portal>
        <div className={SCRIM} />
        <Alert.Content className={cx(CARD, CENTRED, "max-w-md")} onCloseAutoFocus={focusBack}>
          <Alert.Title className="text-base font-semibold wrap-anywhere">{title}</Alert.Title>
          <Alert.Description className="mt-1.5 text-soft">{about}</Alert.Description>
          {children}
          {problem !== null && (
            <p role="alert" className="mt-3 rounded-lg bg-bad-tint px-3 py-2 text-bad">
              {problem}
            </p>
          )}
          <div className="mt-5 flex justify-end gap-2">
            <Alert.Cancel disabled={busy} className={buttonClass("plain")}>
              Cancel
            </Alert.Cancel>
            <button
              type="button"
              disabled={busy}
              onClick={onConfirm}
              className={buttonClass(danger ? "danger" : "primary")}
            >
              {action}
            </button>
          </div>
        </Alert.Content>
      </Alert.Portal>
    </Alert.Root>
  );
}

type SheetPartProps = { children: ReactNode };

/** What scrolls between the head and the foot of a sheet. */
export function SheetBody({ children }: SheetPartProps) {
  return <div className="min-h-0 flex-1 overflow-y-auto p-4">{children}</div>;
}

export function SheetFoot({ children }: SheetPartProps) {
  return (
    <footer className="flex flex-wrap items-center justify-end gap-2 border-t border-line p-3 pb-[max(0.75rem,env(safe-area-inset-bottom))]">
      {children}
    </footer>
  );
}
