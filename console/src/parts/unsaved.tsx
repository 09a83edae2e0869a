/** What was typed and not saved is not lost by a slip: one is asked before it is thrown away. */
import { useBlocker } from "@tanstack/react-router";
import { type ReactNode, useState } from "react";
import { Confirm } from "./dialog";

/** For a form that closes: `leave` closes it, or asks first; `question` has to stand in the form. */
export function useUnsaved(dirty: boolean, close: () => void): { leave: () => void; question: ReactNode } {
  const [asking, setAsking] = useState(false);
  const question = <Discard open={asking} onStay={() => setAsking(false)} onDiscard={close} />;
  return { leave: () => (dirty ? setAsking(true) : close()), question };
}

/** For a page: asks before another one is opened, here or by the browser. */
export function UnsavedPage({ dirty }: { dirty: boolean }) {
  const { status, proceed, reset } = useBlocker({
    // Who is signed out cannot save either.
    shouldBlockFn: ({ next }) => dirty && !next.pathname.endsWith("/login"),
    enableBeforeUnload: dirty,
    withResolver: true,
  });
  return <Discard open={status === "blocked"} onStay={() => reset?.()} onDiscard={() => proceed?.()} />;
}

type DiscardProps = { open: boolean; onStay: () => void; onDiscard: () => void };

function Discard({ open, onStay, onDiscard }: DiscardProps) {
  return (
    <Confirm
      danger
      title="Discard what you changed?"
      about="It is not saved yet."
      action="Discard"
      open={open}
      onClose={onStay}
      onConfirm={onDiscard}
    />
  );
}
