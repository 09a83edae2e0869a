/** Oneself in the rail, with a dot while colleagues see that one is here. */
import { useOrg } from "../org";
import { Avatar } from "../parts/avatar";
import { useOnline } from "./online";

export function OwnFace() {
  const { staff } = useOrg().me;
  const online = useOnline();
  return (
    <>
      <span className="relative -my-0.5">
        <Avatar kind="staff" id={staff.id} name={staff.name} small />
        {online?.me && (
          <span
            className="absolute -end-0.5 -bottom-0.5 size-2.5 rounded-full border-2 border-rail bg-[#4ade80]"
            aria-hidden
          />
        )}
      </span>
      Account
    </>
  );
}
