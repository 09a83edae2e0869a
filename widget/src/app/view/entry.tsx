/** One message as it stands in the log: by whom, what, and what may be done about it. */
import { Component, type JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { renderPlain } from "../../markdown/links";
import type { Message } from "../../wire";
import type { Outgoing } from "../state";
import { noteText, type Strings } from "../strings";
import { Answer } from "./answer";
import { Icon } from "./icons";

export type EntryActions = {
  retry: (client_id: string) => void;
  ask: (text: string) => void;
  askPerson: () => void;
};

type EntryProps = {
  message: Message;
  /** Still being written. */
  live: boolean;
  strings: Strings;
  /** The one before was said by the same. */
  follows: boolean;
  actions: EntryActions;
  /** A person is offered below. */
  offer: boolean;
  /** The question to ask again when this answer broke off. */
  again: string | null;
  grown: () => void;
};

/** Renders again only when what it shows changes: a stream must not touch the messages above it. */
export class Entry extends Component<EntryProps> {
  override shouldComponentUpdate(next: EntryProps): boolean {
    const { message, live, strings, follows, offer, again } = this.props;
    return (
      next.live ||
      next.live !== live ||
      next.message !== message ||
      next.strings !== strings ||
      next.follows !== follows ||
      next.offer !== offer ||
      next.again !== again
    );
  }

  render(): JSX.Element {
    const { message, live, strings, follows, actions, offer, again, grown } = this.props;
    const { author, text, status, confidence } = message;
    switch (author.kind) {
      case "system":
        return <p class="note">{noteText(text, strings)}</p>;
      case "visitor":
        return (
          <article class="visitor">
            <Said who={strings.you} strings={strings} />
            <Plain text={text} />
          </article>
        );
      case "staff":
        return (
          <article class={follows ? "staff follows" : "staff"}>
            <Said who={author.name} strings={strings} shown={!follows} />
            <Plain text={text} />
          </article>
        );
      case "assistant":
        return (
          <article class={`assistant ${confidence ?? ""}`}>
            <Said who={strings.assistant} strings={strings} />
            <Answer
              text={text}
              live={live}
              sources={message.sources}
              strings={strings}
              grown={grown}
            />
            {status === "stopped" && <p class="mark">{strings.stopped}</p>}
            {(status === "failed" || status === "interrupted") && (
              <p class="mark">
                {strings.broken}{" "}
                {again !== null && (
                  <button type="button" class="link" onClick={() => actions.ask(again)}>
                    {strings.askAgain}
                  </button>
                )}
              </p>
            )}
            {offer && (
              <div class="offer">
                <p>{strings.personHint}</p>
                <button type="button" class="primary" onClick={actions.askPerson}>
                  <Icon name="person" />
                  {strings.person}
                </button>
              </div>
            )}
          </article>
        );
    }
  }
}

/** Who speaks: read out for everyone, shown where it is not plain from the side it stands on. */
function Said({
  who,
  strings,
  shown = false,
}: {
  who: string;
  strings: Strings;
  shown?: boolean;
}): JSX.Element {
  return <span class={shown ? "who" : "hidden"}>{shown ? who : strings.said(who)}</span>;
}

function Plain({ text }: { text: string }): JSX.Element {
  const body = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    body.current?.replaceChildren();
    if (body.current) renderPlain(body.current, text);
  }, [text]);
  return <div class="text plain" dir="auto" ref={body} />;
}

export function Sending({
  sending,
  strings,
  retry,
}: {
  sending: Outgoing;
  strings: Strings;
  retry: (client_id: string) => void;
}): JSX.Element {
  const { client_id, text, status, problem } = sending;
  return (
    <article class={`visitor ${status}`}>
      <Said who={strings.you} strings={strings} />
      <Plain text={text} />
      {status === "failed" && (
        <p class="mark" role="alert">
          {strings.failed} {problem ?? strings.offlineSend}{" "}
          <button type="button" class="link" onClick={() => retry(client_id)}>
            {strings.retry}
          </button>
        </p>
      )}
    </article>
  );
}
