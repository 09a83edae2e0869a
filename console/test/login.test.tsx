import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import { ApiError } from "../src/api";
import { LoginForm } from "../src/login/login";
import { isOwnPath } from "../src/routes";

const org = { id: "o1", slug: "acme", name: "Acme", role: "agent" as const };

function open(logIn: (email: string, password: string) => Promise<{ orgs: (typeof org)[] }>) {
  const onDone = vi.fn();
  render(
    <QueryClientProvider client={new QueryClient()}>
      <LoginForm logIn={logIn} onDone={onDone} />
    </QueryClientProvider>,
  );
  return { onDone, email: screen.getByLabelText("E-mail"), password: screen.getByLabelText("Password") };
}

const refused =
  (code: string, retry_after_s: number | null = null) =>
  () =>
    Promise.reject(new ApiError(code, "The server's sentence.", 401, "never", retry_after_s));

describe("the log-in", () => {
  it("works by keyboard alone", async () => {
    const asked = vi.fn(() => Promise.resolve({ orgs: [org] }));
    const { onDone, email } = open(asked);
    expect(email).toHaveFocus();

    await userEvent.keyboard(" ana@example.com {Tab}a long password{Enter}");

    expect(asked).toHaveBeenCalledWith("ana@example.com", "a long password");
    expect(onDone).toHaveBeenCalledWith([org]);
  });

  it("says which field is missing and puts the cursor there, without asking the server", async () => {
    const asked = vi.fn(() => Promise.resolve({ orgs: [org] }));
    const { email, password } = open(asked);

    await userEvent.keyboard("{Enter}");
    expect(screen.getByRole("alert")).toHaveTextContent("Enter your e-mail address.");
    expect(email).toBeInvalid();
    expect(email).toHaveFocus();

    await userEvent.type(email, "ana@example.com{Enter}");
    expect(screen.getByRole("alert")).toHaveTextContent("Enter your password.");
    expect(email).toBeValid();
    expect(password).toBeInvalid();
    expect(password).toHaveFocus();
    expect(asked).not.toHaveBeenCalled();
  });

  it("marks both fields when the two do not fit, and tells no more than that", async () => {
    const { email, password } = open(refused("wrong_credentials"));

    await userEvent.keyboard("ana@example.com{Tab}wrong{Enter}");

    expect(await screen.findByRole("alert")).toHaveTextContent("E-mail or password is wrong.");
    expect(email).toBeInvalid();
    expect(password).toHaveFocus();
    expect(password).toHaveAccessibleDescription(/wrong/);
  });

  it("says how long to wait after too many attempts", async () => {
    open(refused("too_many_requests", 42));

    await userEvent.keyboard("ana@example.com{Tab}wrong{Enter}");

    expect(await screen.findByRole("alert")).toHaveTextContent("Try again in 42 s.");
  });

  it("shows the server's sentence for a code it does not know", async () => {
    open(refused("something_new"));

    await userEvent.keyboard("ana@example.com{Tab}wrong{Enter}");

    expect(await screen.findByRole("alert")).toHaveTextContent("The server's sentence.");
  });

  it("says so when somebody belongs to no organisation", async () => {
    const { onDone } = open(() => Promise.resolve({ orgs: [] }));

    await userEvent.keyboard("ana@example.com{Tab}right{Enter}");

    expect(await screen.findByRole("alert")).toHaveTextContent("no organisation");
    expect(onDone).not.toHaveBeenCalled();
  });
});

describe("where one goes after the log-in", () => {
  it("is inside the console, never another site", () => {
    expect(isOwnPath("/acme/inbox")).toBe(true);
    expect(isOwnPath("//evil.example")).toBe(false);
    expect(isOwnPath("/\\evil.example")).toBe(false);
    expect(isOwnPath("https://evil.example")).toBe(false);
  });
});
