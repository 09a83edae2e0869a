/** What has stood for a while: what passes at once moves nothing on the screen and is not said aloud. */
import { useEffect, useState } from "react";
import { useLive } from "./provider";

const SHORT_MS = 3_000;

export function useLasting<Value>(value: Value): Value {
  const { clock } = useLive();
  const [lasting, setLasting] = useState(value);
  useEffect(() => clock.after(SHORT_MS, () => setLasting(value)), [clock, value]);
  return lasting;
}
