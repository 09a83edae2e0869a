import { type ErrorComponentProps, Link } from "@tanstack/react-router";
import { Compass } from "lucide-react";
import { ApiError } from "../api";
import { Empty, Failed } from "../parts/states";

/** Also for organisations one does not work in: nothing tells the two apart. */
export function Lost() {
  return (
    <main className="h-full">
      <Empty icon={Compass} title="There is nothing here">
        <p>The address is wrong, or you do not work in this organisation.</p>
        <p className="mt-3">
          <Link to="/" className="font-medium text-accent-strong underline">
            Go to your inbox
          </Link>
        </p>
      </Empty>
    </main>
  );
}

/** A page that could not be had at all. Loading it anew also helps when the console was updated meanwhile. */
export function Broken({ error }: ErrorComponentProps) {
  if (error instanceof ApiError && error.status === 404) return <Lost />;
  const shown = error instanceof ApiError ? error : new Error("This page could not be shown.");
  return (
    <main className="flex h-full items-center justify-center">
      <Failed error={shown} onRetry={() => location.reload()} />
    </main>
  );
}
