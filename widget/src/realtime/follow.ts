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
  let asking = false;
  const take = (frame: AnswerFrame): void => {
    const answer = apply(frame);
    if (answer && hasGap(answer) && !asking) void resume(answer);
  };
  const resume = async ({ mid, attempt, seq: after }: Answer): Promise<void> => {
    asking = true;
    try {
      const { frames } = await realtime.call<ResumeReply>("resume", { mid, attempt, after });
      frames.forEach(apply);
    } catch {
      // The next frame shows the gap again, and the stored message closes it for good.
    } finally {
      asking = false;
    }
  };
  const ends = EVENTS.map((event) =>
    realtime.on(event, (frame) => take({ event, frame } as AnswerFrame)),
  );
  return () => ends.forEach((end) => end());
}
