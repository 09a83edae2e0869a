import type { AnswerDelta, AnswerEnd, AnswerFrame, LiveAnswer } from "../wire";

/** A running answer as frames build it. Pure: the same for widget and console. */
export type Answer = LiveAnswer & {
  /** Frames that came too early, by number; bounded. */
  early: AnswerDelta[];
  ended: AnswerEnd["status"] | null;
};

const EARLY_MAX = 256;

/** The answer after one frame; null while no answer is known. Old attempts and repeats change nothing. */
export function withFrame(answer: Answer | null, { event, frame }: AnswerFrame): Answer | null {
  if (answer && isOlder(frame, answer)) return answer;
  const known = answer?.mid === frame.mid && answer.attempt === frame.attempt ? answer : null;
  const base = known ?? fresh(frame.mid, frame.attempt);
  switch (event) {
    case "answer.start":
      return base;
    case "answer.delta":
      return settle({ ...base, early: withEarly(base, frame) });
    case "answer.snap":
      return frame.seq < base.seq ? base : settle({ ...base, seq: frame.seq, text: frame.text });
    case "answer.end":
      // An end alone says nothing to show: the stored message follows.
      return known ? { ...known, ended: frame.status } : answer;
  }
}

/** The answer after a snapshot read over HTTP: whichever of the two is further wins. */
export function withSnapshot(answer: Answer | null, snapshot: LiveAnswer): Answer | null {
  return withFrame(answer, { event: "answer.snap", frame: snapshot });
}

/** Whether frames are missing between what is shown and what has come. */
export function hasGap(answer: Answer | null): boolean {
  return answer !== null && answer.ended === null && answer.early.length > 0;
}

/** Ids are time-ordered (UUIDv7): a smaller one is an earlier answer. */
function isOlder(frame: { mid: string; attempt: number }, answer: Answer): boolean {
  return frame.mid < answer.mid || (frame.mid === answer.mid && frame.attempt < answer.attempt);
}

function fresh(mid: string, attempt: number): Answer {
  return { mid, attempt, seq: 0, text: "", early: [], ended: null };
}

function withEarly(answer: Answer, frame: AnswerDelta): AnswerDelta[] {
  if (frame.seq <= answer.seq || answer.early.some((each) => each.seq === frame.seq)) {
    return answer.early;
  }
  return [...answer.early, frame].sort((a, b) => a.seq - b.seq).slice(0, EARLY_MAX);
}

/** Appends every early frame that now fits. */
function settle(answer: Answer): Answer {
  let { seq, text } = answer;
  const early: AnswerDelta[] = [];
  for (const frame of answer.early) {
    if (frame.seq <= seq) continue;
    if (frame.seq === seq + 1) {
      seq = frame.seq;
      text += frame.text;
    } else {
      early.push(frame);
    }
  }
  return { ...answer, seq, text, early };
}
