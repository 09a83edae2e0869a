/** Keeps running answers whole: listens to frames, and fetches those that went missing. */
import type { AnswerFrame, ResumeReply } from "../wire";
import { type Answer, hasGap } from "./answers";
import type { Realtime } from "./client";

const EVENTS = ["answer.start", "answer.delta", "answer.snap", "answer.end"] as const;

/**
 * Passes every frame to `apply`, which gives back the answer as it stands; after a gap it asks the server to
 * resume and passes those frames too. The returned function ends it.
 */
export function followAnswers(
  realtime: Realtime,
  apply: (frame: AnswerFrame) => Answer | null,
): () => void {
  let answer: Answer | null = null;
  let asking = false;
  let again = false;
  let over = false;
  const take = (frame: AnswerFrame): void => {
    answer = apply(frame);
    if (!hasGap(answer)) return;
    if (asking) again = true;
    else void resume();
  };
  const resume = async (): Promise<void> => {
    asking = true;
    // What came meanwhile may have left another gap: it is asked for as long as something changes.
    do {
      again = false;
      if (answer && (await ask(answer))) again = true;
    } while (again && hasGap(answer) && !over);
    asking = false;
  };
  /** Whether it led on. */
  const ask = async ({ mid, attempt, seq: after }: Answer): Promise<boolean> => {
    try {
      const { frames } = await realtime.call<ResumeReply>("resume", { mid, attempt, after });
      for (const frame of frames) answer = apply(frame);
    } catch {
      // The next frame shows the gap again, and the stored message closes it for good.
    }
    return answer?.mid !== mid || answer.attempt !== attempt || answer.seq > after;
  };
  const ends = EVENTS.map((event) =>
    realtime.on(event, (frame) => take({ event, frame } as AnswerFrame)),
  );
  return () => {
    over = true;
    for (const end of ends) end();
  };
}
