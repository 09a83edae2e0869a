import type { JSX, RefObject } from "preact";
import type { Chat } from "../state";
import type { Strings } from "../strings";
import { Composer } from "./composer";
import { Icon } from "./icons";
import { Log, type LogActions } from "./log";

export type PanelActions = LogActions & {
  close: () => void;
  start: () => void;
  stop: () => void;
  startOver: () => void;
  typing: () => void;
};

export type PanelProps = {
  chat: Chat;
  open: boolean;
  /** The app fills its page. */
  inline: boolean;
  /** The panel covers a small screen. */
  full: boolean;
  blocked: boolean;
  /** A call for a person is under way, or failed. */
  call: "none" | "calling" | "failed";
  spoken: string;
  strings: Strings;
  actions: PanelActions;
  panel: RefObject<HTMLDivElement | null>;
  title: RefObject<HTMLHeadingElement | null>;
  input: RefObject<HTMLTextAreaElement | null>;
};

export function Panel(props: PanelProps): JSX.Element {
  const { chat, open, inline, full, strings, actions, panel, title } = props;
  const { site } = chat;
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== "Escape" || inline) return;
    event.stopPropagation();
    actions.close();
  };
  return (
    <div
      ref={panel}
      class={`panel ${inline ? "inline" : ""} ${full ? "full" : ""}`}
      role={inline ? "region" : "dialog"}
      aria-modal={full ? "true" : undefined}
      aria-labelledby="title"
      hidden={!open}
      onKeyDown={onKeyDown}
    >
      <div class="head">
        {site && (
          <span class="face" aria-hidden="true">
            {site.name.slice(0, 1).toUpperCase()}
          </span>
        )}
        <div class="names">
          <h2 id="title" ref={title} tabIndex={-1}>
            {site?.name ?? strings.panel}
          </h2>
          <Presence chat={chat} strings={strings} />
        </div>
        {!inline && (
          <button type="button" class="bare" onClick={actions.close} aria-label={strings.close}>
            <Icon name="close" />
          </button>
        )}
      </div>
      <div class="bar" role="status">
        {chat.away && <p>{chat.reachable ? strings.polling : strings.lost}</p>}
      </div>
      {chat.problem && !site ? <Trouble {...props} /> : <Talk {...props} />}
      <div class="hidden" role="status">
        {props.spoken}
      </div>
    </div>
  );
}

/** What was said, and where to say something. */
function Talk(props: PanelProps): JSX.Element {
  const { chat, strings, actions, call, input } = props;
  const { site, conversation, answer } = chat;
  const state = conversation?.state ?? "bot";
  const lost = chat.away && !chat.reachable;
  return (
    <>
      <Log chat={chat} strings={strings} actions={actions} calling={call === "calling"} />
      <div class="foot" onPointerEnter={actions.near} onInput={actions.near}>
        <Handoff {...props} />
        {state === "closed" && (
          <p class="strip">
            {strings.ended}{" "}
            <button type="button" class="link" onClick={actions.startOver}>
              {strings.startOver}
            </button>
          </p>
        )}
        <Composer
          input={input}
          strings={strings}
          placeholder={state === "bot" ? strings.placeholder : strings.placeholderStaff}
          answering={answer !== null && !answer.ended && !lost}
          send={actions.ask}
          stop={actions.stop}
          typing={actions.typing}
        />
        {state === "bot" && site && (
          <button
            type="button"
            class="quiet person"
            onClick={actions.askPerson}
            aria-disabled={call === "calling"}
          >
            <Icon name="person" />
            {call === "calling" ? strings.asking : strings.person}
          </button>
        )}
      </div>
    </>
  );
}

function Presence({ chat, strings }: { chat: Chat; strings: Strings }): JSX.Element | null {
  const { site, conversation } = chat;
  if (!site) return <p class="presence">{chat.problem ? "" : strings.connecting}</p>;
  const { staff_online } = site.availability;
  const taker = conversation?.state === "staff" ? conversation.handoff?.taken_by : null;
  const waits = staff_online && conversation?.state === "waiting";
  const words = waits ? strings.waiting : staff_online ? strings.online : strings.offline;
  return (
    <p class="presence">
      <i class={taker || staff_online ? "dot on" : "dot"} />
      {taker ? strings.with(taker.name) : words}
    </p>
  );
}

function Trouble({ chat, strings, blocked, actions }: PanelProps): JSX.Element {
  const wait_s = chat.problem?.retry_after_s;
  if (wait_s !== undefined) {
    return (
      <div class="trouble">
        <p>{strings.wait(wait_s)}</p>
      </div>
    );
  }
  return (
    <div class="trouble" role="alert">
      <Icon name="alert" />
      <p>{blocked ? strings.blocked : strings.startFailed}</p>
      {!blocked && chat.problem?.message && <p class="presence">{chat.problem.message}</p>}
      {!blocked && (
        <button type="button" class="primary" onClick={actions.start}>
          {strings.retry}
        </button>
      )}
    </div>
  );
}

function Handoff({ chat, strings, call, actions }: PanelProps): JSX.Element | null {
  if (call === "failed") {
    return (
      <p class="strip" role="alert">
        {strings.personFailed}{" "}
        <button type="button" class="link" onClick={actions.askPerson}>
          {strings.retry}
        </button>
      </p>
    );
  }
  if (chat.conversation?.state !== "waiting") return null;
  const online = chat.site?.availability.staff_online;
  return (
    <p class="strip waiting">
      <i class="pulse" />
      {online ? strings.waiting : strings.waitingAway}
    </p>
  );
}
