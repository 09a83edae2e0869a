/** Stays at the end of what grows, until the reader scrolls away. */
import type { RefObject } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";

const NEAR_PX = 100;
const END_PX = 8;

export type StickyEnd = {
  /** Whether the end is in view, or close to it. */
  stuck: boolean;
  /** Goes to the end and stays there. */
  stick: () => void;
  /** Tells that the content grew: follows if the end was in view. */
  grown: () => void;
};

export function useStickyEnd(ref: RefObject<HTMLElement | null>): StickyEnd {
  const [stuck, setStuck] = useState(true);
  const follow = useRef(true);

  const set = useCallback((value: boolean): void => {
    follow.current = value;
    setStuck(value);
  }, []);
  const grown = useCallback((): void => {
    const box = ref.current;
    if (box && follow.current) box.scrollTop = box.scrollHeight;
  }, []);
  const stick = useCallback((): void => {
    set(true);
    grown();
  }, []);

  useEffect(() => {
    const box = ref.current;
    if (!box) return;
    let detached = false; // the reader turned away on purpose: being near is not enough to follow again
    const leave = (): void => {
      if (box.scrollHeight > box.clientHeight + END_PX) detached = true;
    };
    const onScroll = (): void => {
      const away = box.scrollHeight - box.scrollTop - box.clientHeight;
      if (away < END_PX) detached = false;
      set(away < (detached ? END_PX : NEAR_PX));
    };
    const onWheel = ({ deltaY }: WheelEvent): void => {
      if (deltaY < 0) leave();
    };
    const onKey = ({ key }: KeyboardEvent): void => {
      if (["ArrowUp", "PageUp", "Home"].includes(key)) leave();
    };
    const resized = new ResizeObserver(grown);
    resized.observe(box);
    box.addEventListener("scroll", onScroll, { passive: true });
    box.addEventListener("wheel", onWheel, { passive: true });
    box.addEventListener("keydown", onKey);
    return () => {
      resized.disconnect();
      box.removeEventListener("scroll", onScroll);
      box.removeEventListener("wheel", onWheel);
      box.removeEventListener("keydown", onKey);
    };
  }, []);
  return { stuck, stick, grown };
}
