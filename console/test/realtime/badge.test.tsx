import { act, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { describe, expect, it, vi } from "vitest";
import { RealtimeConnectionBadge } from "../../src/realtime/badge";
import { ConnectionNotice } from "../../src/realtime/notice";
import { signal } from "../made";
import { given } from "./given";

const INBOX = "org:o1:inbox";

describe("RealtimeConnectionBadge", () => {
  it("says in words that changes appear at once", async () => {
    const { wrapper, pass } = given();
    render(<RealtimeConnectionBadge />, { wrapper });
    expect(screen.getByText("Connecting")).toBeVisible();

    await pass(100);

    expect(await screen.findByRole("button", { name: "Live" })).toHaveAccessibleDescription("Changes appear at once.");
  });

  it("says that it polls when the connection was lost, and is live again when it is back", async () => {
    const { server, wrapper, pass } = given();
    render(<RealtimeConnectionBadge />, { wrapper });
    await pass(1_000);

    server.down = true;
    act(() => server.drop());
    expect(await screen.findByRole("button", { name: "Reconnecting" })).toHaveAccessibleDescription(
      "Updates every few seconds, later every half minute.",
    );

    server.down = false;
    await pass(60_000);
    expect(screen.getByRole("button", { name: "Live" })).toBeVisible();
  });

  it("is not live where the server has paused something, and is when it goes on", async () => {
    const { server, live, wrapper, pass } = given((server) => server.codes.set(INBOX, "paused"));
    live.realtime.join(INBOX, { signal: () => undefined, refetch: () => undefined });
    render(<RealtimeConnectionBadge />, { wrapper });
    await pass(1_000);
    expect(await screen.findByRole("button", { name: "Partly live" })).toHaveAccessibleDescription(
      /^Some live updates are off/,
    );

    server.codes.clear();
    await pass(60_000);

    expect(screen.getByRole("button", { name: "Live" })).toBeVisible();
  });

  it("says aloud what lasts, and nothing of what passes at once", async () => {
    const { server, wrapper, pass } = given();
    render(<RealtimeConnectionBadge />, { wrapper });
    await pass(5_000);
    const said = screen.getByRole("status");
    expect(said).toHaveTextContent("Live. Changes appear at once.");

    act(() => server.drop());
    expect(said).toHaveTextContent("Live.");

    await pass(5_000);
    server.down = true;
    act(() => server.drop());
    await pass(4_000);
    expect(said).toHaveTextContent("Reconnecting. Updates every few seconds, later every half minute.");
  });

  it("tells on a press when the last update was and how many there were, and reads all anew", async () => {
    const { server, client, wrapper, pass } = given();
    const read = vi.spyOn(client, "refetchQueries");
    render(<RealtimeConnectionBadge />, { wrapper });
    await pass(1_000);
    for (let n = 0; n < 3; n++) server.emit("signal", signal(INBOX, "conversation.changed"));
    await pass(1_000);
    const user = userEvent.setup();

    await user.click(await screen.findByRole("button", { name: "Live" }));

    expect(screen.getByText("Updates").nextSibling).toHaveTextContent("3");
    expect(screen.getByText("Last update").nextSibling).toHaveTextContent(/1970/);
    await user.click(screen.getByRole("menuitem", { name: "Read everything again" }));
    expect(read).toHaveBeenCalledWith({ type: "active" });
  });

  it("shows a refusal with its code, and the way to try once more", async () => {
    const { server, wrapper, pass } = given((server) => (server.refused = "not_signed_in"));
    render(<RealtimeConnectionBadge />, { wrapper });
    await pass(60_000);
    const user = userEvent.setup();

    await user.click(await screen.findByRole("button", { name: "Failed" }));
    expect(screen.getByText("Last problem").nextSibling).toHaveTextContent("not_signed_in");
    server.refused = null;
    await user.click(screen.getByRole("menuitem", { name: "Reconnect" }));
    await pass(1_000);

    expect(screen.getByRole("button", { name: "Live" })).toBeVisible();
  });
});

describe("ConnectionNotice", () => {
  it("is not there while one is live, nor for what passes at once", async () => {
    const { server, wrapper, pass } = given();
    const { container } = render(<ConnectionNotice />, { wrapper });
    await pass(5_000);
    expect(container).toBeEmptyDOMElement();

    act(() => server.drop());
    expect(container).toBeEmptyDOMElement();
    await pass(5_000);

    expect(container).toBeEmptyDOMElement();
  });

  it("says after a while that updates come every few seconds, how old they are, and reconnects", async () => {
    const { server, live, wrapper, pass } = given();
    const { container } = render(<ConnectionNotice />, { wrapper });
    await pass(5_000);
    act(() => server.emit("signal", signal(INBOX, "conversation.changed")));

    server.down = true;
    act(() => server.drop());
    await pass(4_000);

    expect(container).toHaveTextContent("Reconnecting. Updates every few seconds, later every half minute.");
    expect(container).toHaveTextContent("Last live update");
    server.down = false;
    act(() => screen.getByRole("button", { name: "Reconnect" }).click());
    await pass(4_000);
    expect(live.realtime.status).toBe("connected");
    expect(container).toBeEmptyDOMElement();
  });

  it("says what is paused, where to connect anew would change nothing", async () => {
    const { live, wrapper, pass } = given((server) => server.codes.set(INBOX, "paused"));
    live.realtime.join(INBOX, { signal: () => undefined, refetch: () => undefined });
    const { container } = render(<ConnectionNotice />, { wrapper });
    await pass(5_000);

    expect(container).toHaveTextContent("Partly live. Some live updates are off.");
    expect(screen.queryByRole("button")).toBeNull();
  });
});
