/** What a refused log-in says, and beside which field. Pure. */
import { ApiError } from "../api";

export type Field = "email" | "password";
export type Problem = { fields: Field[]; text: string };

/** What can be seen without asking the server; null when there is nothing. */
export function missing(email: string, password: string): Problem | null {
  if (!email.trim()) return { fields: ["email"], text: "Enter your e-mail address." };
  if (!/^\S+@\S+$/.test(email.trim())) {
    return { fields: ["email"], text: "This is not an e-mail address. It has an @ in it." };
  }
  if (!password) return { fields: ["password"], text: "Enter your password." };
  return null;
}

export function problemOf(error: Error): Problem {
  if (!(error instanceof ApiError)) return { fields: [], text: "Something went wrong. Try again." };
  switch (error.code) {
    case "wrong_credentials":
      return {
        fields: ["email", "password"],
        text: "E-mail or password is wrong. Check both and try again.",
      };
    case "too_many_requests":
      return { fields: [], text: `Too many attempts. ${waitFor(error.retry_after_s)}` };
    default:
      return { fields: [], text: error.message };
  }
}

function waitFor(seconds: number | null): string {
  if (seconds === null) return "Wait a moment and try again.";
  return seconds < 90 ? `Try again in ${seconds} s.` : `Try again in ${Math.ceil(seconds / 60)} minutes.`;
}
