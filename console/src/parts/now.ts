import { useEffect, useState } from "react";

/** The time, again every `every_ms`: what shows an age is drawn anew. */
export function useNow(every_ms = 15_000): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), every_ms);
    return () => clearInterval(timer);
  }, [every_ms]);
  return now;
}
