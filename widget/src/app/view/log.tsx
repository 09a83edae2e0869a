/** The conversation: stored messages, those on their way, the answer that is being written. */
import type { JSX } from "preact";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { LiveAnswer, Message } from "../../wire";
import { type Chat, isThinking } from "../state";
import type { Strings } from "../strings";
import { Entry, type EntryActions, Sending } from "./entry";
import { Icon } from "./icons";
import { useStickyEnd } from "./scroll";

export type LogActions = EntryActions & {
  /** The visitor comes near to what talks to the server. */
  near: () => void;
};

type Props = { chat: Chat; strings: Strings; actions: LogActions; calling: boolean };

const SHOWN_FIRST = 50;

export function Log({ chat, strings, actions, calling }: Props): JSX.Element {
  const log = useRef<HTMLDivElement>(null);
  const [limit, setLimit] = useState(SHOWN_FIRST);
  const { stuck, stick, grown } = useStickyEnd(log);
  const { messages, outbox, answer, typing } = chat;
  const shown = messages.slice(-limit);
  const thinking = isThinking(chat);
  useLayoutEffect(stick, [outbox.length]); // what one writes oneself one wants to see
  useLayoutEffect(grown, [messages, outbox, typing, thinking]);

  const earlier = (): void => {
    const height = log.current?.scrollHeight ?? 0;
    setLimit(limit + SHOWN_FIRST);
    requestAnimationFrame(() => log.current?.scrollBy(0, log.current.scrollHeight - height));
  };
  const offered =
    !calling && chat.conversation?.state === "bot" && !answer ? lastAnswer(messages) : null;
  return (
    <div class="scroll">
      <div class="log" ref={log} role="log" aria-live="off" aria-label={strings.log} tabIndex={0}>
        <Greeting chat={chat} strings={strings} actions={actions} />
        {messages.length > limit && (
          <button type="button" class="quiet" onClick={earlier}>
            {strings.earlier}
          </button>
        )}
        {[
          ...shown.map((message, index) => (
            <Entry
              key={message.id}
              message={message}
              live={false}
              strings={strings}
              follows={isSameAuthor(shown[index - 1], message)}
              actions={actions}
              offer={message === offered}
              again={message === messages.at(-1) ? questionBefore(messages) : null}
              grown={grown}
            />
          )),
          ...outbox.map((each) => (
            <Sending key={each.client_id} sending={each} strings={strings} retry={actions.retry} />
          )),
          // The stored message has the same key: it takes this one's place, and nothing is drawn anew.
          answer?.text && (
            <Entry
              key={answer.mid}
              message={liveMessage(answer)}
              live
              strings={strings}
              follows={false}
              actions={actions}
              offer={false}
              again={null}
              grown={grown}
            />
          ),
        ]}
        {thinking && <Dots key="dots" label={strings.answering} />}
        {typing !== null && <Dots key="typing" label={strings.typing(typing)} shown />}
      </div>
      {!stuck && (
        <button type="button" class="latest" onClick={stick} aria-label={strings.latest}>
          <Icon name="down" />
        </button>
      )}
    </div>
  );
}

function Greeting({
  chat,
  strings,
  actions,
}: Pick<Props, "chat" | "strings" | "actions">): JSX.Element | null {
  const { site, messages, outbox } = chat;
  if (!site) return null;
  const begun = messages.length > 0 || outbox.length > 0;
  return (
    <>
      <div class="greeting" dir="auto">
        {site.greeting}
      </div>
      {!begun && site.starters.length > 0 && (
        <ul class="starters" aria-label={strings.starters} onPointerEnter={actions.near}>
          {site.starters.map((text) => (
            <li key={text}>
              <button type="button" dir="auto" onClick={() => actions.ask(text)}>
                {text}
                <Icon name="chevron" />
              </button>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

function Dots({ label, shown = false }: { label: string; shown?: boolean }): JSX.Element {
  return (
    <div class="dots">
      <i />
      <i />
      <i />
      <span class={shown ? "" : "hidden"}>{label}</span>
    </div>
  );
}

/** The running answer in the shape of the message that it will be. */
function liveMessage({ mid, text }: LiveAnswer): Message {
  return {
    id: mid,
    conversation_id: "",
    seq: null,
    after_seq: null,
    rev: 0,
    client_id: null,
    author: { kind: "assistant", id: null, name: "" },
    text,
    visibility: "public",
    created_at: "",
    version: 0,
    status: "complete",
    sources: [],
    confidence: null,
    page_url: null,
  };
}

function isSameAuthor(before: Message | undefined, { author }: Message): boolean {
  return before?.author.kind === author.kind && before.author.id === author.id;
}

/** The newest message when it is an answer that left something open. */
function lastAnswer(messages: Message[]): Message | null {
  const last = messages.at(-1);
  const open =
    last?.confidence === "unknown" || last?.confidence === "partial" || last?.status === "failed";
  return last && last.author.kind === "assistant" && open ? last : null;
}

function questionBefore(messages: Message[]): string | null {
  return messages.findLast(({ author }) => author.kind === "visitor")?.text ?? null;
}
