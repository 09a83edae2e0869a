import * as Menu from "@radix-ui/react-dropdown-menu";
import { useMutation, useQuery } from "@tanstack/react-query";
import { useRouter } from "@tanstack/react-router";
import { Check } from "lucide-react";
import { type ReactNode, useState } from "react";
import { accountApi } from "../api";
import { useOrg } from "../org";
import { cx } from "../parts/cx";
import { MENU_ITEM, MENU_PANEL } from "../parts/menu";
import { notify } from "../parts/notices";
import { usePreference } from "../preferences";
import { orgsQuery } from "../queries";
import { ring } from "../sound";
import { ShortcutHelp } from "./help";
import { useOnline } from "./online";
import { useShortcuts } from "./shortcuts";

/** `children` is what is pressed. */
export function AccountMenu({ className, children }: { className: string; children: ReactNode }) {
  const { me, slug } = useOrg();
  const router = useRouter();
  const online = useOnline();
  const { data: orgs } = useQuery(orgsQuery);
  const [sound, setSound] = usePreference("sound");
  const [shortcuts, setShortcuts] = usePreference("shortcuts");
  const [helping, setHelping] = useState(false);
  useShortcuts({ "?": () => setHelping(true) });
  const leave = useMutation({
    mutationFn: accountApi().logOut,
    // A fresh page: nothing of what was read stays in memory.
    onSuccess: () => location.assign("/console/login"),
    onError: (error) => notify(error.message, { bad: true }),
  });
  return (
    <>
      <Menu.Root modal={false}>
        <Menu.Trigger className={cx(className, "hover:text-white data-[state=open]:text-white")}>
          {children}
        </Menu.Trigger>
        <Menu.Portal>
          <Menu.Content
            side="top"
            align="end"
            sideOffset={6}
            collisionPadding={8}
            className={cx(MENU_PANEL, "w-64")}
          >
            <div className="px-2 pt-1 pb-2">
              <p className="truncate font-semibold">{me.staff.name}</p>
              <p className="truncate text-soft">{me.account.email}</p>
              <p className="truncate text-soft">
                {me.org.name} · {me.staff.role}
              </p>
              <p className="mt-1 flex items-center gap-1.5">
                <span
                  className={cx("size-2 shrink-0 rounded-full", online?.me ? "bg-good" : "bg-edge")}
                  aria-hidden
                />
                {online?.me ? "Colleagues see you online" : "You are not shown as online"}
              </p>
            </div>
            {orgs && orgs.items.length > 1 && (
              <>
                <Line />
                <Menu.RadioGroup
                  value={slug}
                  onValueChange={(next) =>
                    void router.navigate({ to: "/$slug/inbox", params: { slug: next } })
                  }
                >
                  <Menu.Label className="px-2 py-1 text-xs font-medium text-soft">Organisation</Menu.Label>
                  {orgs.items.map((org) => (
                    <Menu.RadioItem key={org.id} value={org.slug} className={MENU_ITEM}>
                      <Ticked>{org.name}</Ticked>
                    </Menu.RadioItem>
                  ))}
                </Menu.RadioGroup>
              </>
            )}
            <Line />
            <Menu.CheckboxItem
              checked={sound}
              onCheckedChange={(on) => {
                setSound(on);
                if (on) ring();
              }}
              className={MENU_ITEM}
            >
              <Ticked>Ring when somebody waits</Ticked>
            </Menu.CheckboxItem>
            <Menu.CheckboxItem checked={shortcuts} onCheckedChange={setShortcuts} className={MENU_ITEM}>
              <Ticked>Single-key shortcuts</Ticked>
            </Menu.CheckboxItem>
            <Line />
            <Menu.Item onSelect={() => setHelping(true)} className={cx(MENU_ITEM, "pl-8")}>
              Show shortcuts
            </Menu.Item>
            <Menu.Item onSelect={() => leave.mutate()} className={cx(MENU_ITEM, "pl-8")}>
              Sign out
            </Menu.Item>
          </Menu.Content>
        </Menu.Portal>
      </Menu.Root>
      <ShortcutHelp open={helping} onClose={() => setHelping(false)} />
    </>
  );
}

function Line() {
  return <Menu.Separator className="mx-1 my-1.5 h-px bg-line" />;
}

function Ticked({ children }: { children: ReactNode }) {
  return (
    <>
      <span className="flex w-4 justify-center text-accent">
        <Menu.ItemIndicator>
          <Check size={16} aria-hidden />
        </Menu.ItemIndicator>
      </span>
      <span className="min-w-0 flex-1 truncate">{children}</span>
    </>
  );
}
