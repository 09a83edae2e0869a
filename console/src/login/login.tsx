import { useMutation, useQueryClient } from "@tanstack/react-query";
import { getRouteApi, useRouter } from "@tanstack/react-router";
import { CircleAlert } from "lucide-react";
import { type ComponentProps, type RefObject, type SyntheticEvent, useRef, useState } from "react";
import { accountApi } from "../api";
import { orgsKey } from "../keys";
import mark from "../mark.svg";
import { Button } from "../parts/button";
import { cx } from "../parts/cx";
import type { Membership } from "../wire";
import { type Field, missing, type Problem, problemOf } from "./problem";

const route = getRouteApi("/login");

export function LoginScreen() {
  const { next, ended } = route.useSearch();
  const router = useRouter();
  const client = useQueryClient();
  const enter = (orgs: Membership[]): void => {
    client.clear();
    client.setQueryData(orgsKey, { items: orgs, next: null });
    void router.navigate(next ? { to: next } : { to: "/" });
  };
  return (
    <main className="flex min-h-full items-center justify-center p-4">
      <div className="w-full max-w-sm">
        <img src={mark} alt="" width={40} height={40} className="mx-auto" />
        <h1 className="mt-4 mb-6 text-center text-xl font-semibold">Sign in to the console</h1>
        {ended && (
          <p role="status" className="mb-4 text-center text-balance text-soft">
            You were signed out. Sign in to go on where you were.
          </p>
        )}
        <LoginForm logIn={accountApi().logIn} onDone={enter} />
      </div>
    </main>
  );
}

type LoginFormProps = {
  logIn: (email: string, password: string) => Promise<{ orgs: Membership[] }>;
  onDone: (orgs: Membership[]) => void;
};

export function LoginForm({ logIn, onDone }: LoginFormProps) {
  const [problem, setProblem] = useState<Problem | null>(null);
  const inputs = { email: useRef<HTMLInputElement>(null), password: useRef<HTMLInputElement>(null) };
  const show = (found: Problem): void => {
    setProblem(found);
    const first = found.fields.at(-1);
    if (first) inputs[first].current?.focus();
  };
  const attempt = useMutation({
    mutationFn: ({ email, password }: Record<Field, string>) => logIn(email, password),
    onMutate: () => setProblem(null),
    onError: (error) => show(problemOf(error)),
    onSuccess: ({ orgs }) =>
      orgs.length > 0
        ? onDone(orgs)
        : show({
            fields: [],
            text: "You belong to no organisation yet. Ask its administrator to invite you.",
          }),
  });
  const submit = (event: SyntheticEvent): void => {
    event.preventDefault();
    const email = inputs.email.current?.value ?? "";
    const password = inputs.password.current?.value ?? "";
    const found = missing(email, password);
    if (found) show(found);
    else if (!attempt.isPending) attempt.mutate({ email: email.trim(), password });
  };
  const bad = (field: Field): boolean => problem?.fields.includes(field) ?? false;
  return (
    <form
      noValidate
      onSubmit={submit}
      className="flex flex-col gap-4 rounded-2xl border border-line bg-surface p-6 shadow-raised"
    >
      <Input
        label="E-mail"
        name="email"
        type="email"
        autoComplete="username"
        autoFocus
        input={inputs.email}
        bad={bad("email")}
      />
      <Input
        label="Password"
        name="password"
        type="password"
        autoComplete="current-password"
        input={inputs.password}
        bad={bad("password")}
      />
      {problem && (
        <p id="problem" role="alert" className="flex gap-2 rounded-lg bg-bad-tint px-3 py-2 text-bad">
          <CircleAlert size={18} className="mt-px shrink-0" aria-hidden />
          {problem.text}
        </p>
      )}
      <Button type="submit" tone="primary" className="h-10" aria-disabled={attempt.isPending}>
        {attempt.isPending ? "Signing in…" : "Sign in"}
      </Button>
    </form>
  );
}

type InputProps = ComponentProps<"input"> & {
  label: string;
  bad: boolean;
  input: RefObject<HTMLInputElement | null>;
};

function Input({ label, bad, input, ...rest }: InputProps) {
  return (
    <label className="flex flex-col gap-1.5 font-medium">
      {label}
      <input
        ref={input}
        aria-invalid={bad}
        aria-describedby={bad ? "problem" : undefined}
        className={cx(
          "h-10 rounded-lg border bg-surface px-3 font-normal",
          bad ? "border-bad" : "border-edge",
        )}
        {...rest}
      />
    </label>
  );
}
