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
        <Alert.Content className={cx(CARD, CENTRED, "max-w-sm")} onOpenAutoFocus={focusGo}>
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
