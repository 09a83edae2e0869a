/** One message as it stands in the log: by whom, what, and what may be done about it. */
import type { JSX } from "preact";
import { renderPlain } from "../../markdown/links";
import type { ConversationState, Feedback, Message } from "../../wire";
import type { Rated } from "../ratings";
import type { Outgoing } from "../state";
import { noteText, type Strings } from "../strings";
import { Answer } from "./answer";
import { Icon } from "./icons";
import { Questions } from "./questions";
import { Rating } from "./rating";
import { Still } from "./still";

/** What the log shows of a message. */
export type Said = Pick<
  Message,
  | "id"
  | "author"
  | "text"
  | "status"
  | "sources"
  | "confidence"
  | "feedback"
  | "review"
  | "suggestions"
  | "corrects"
>;

export type EntryActions = {
  ask: (text: string) => void;
  askPerson: () => void;
  /** Has a broken answer written again. */
  again: (mid: string) => void;
  rate: (message: Rated, feedback: Feedback | null) => void;
  /** Moves to an earlier message. */
  seek: (mid: string) => void;
  /** The text has grown on screen. */
  grown: () => void;
};

type EntryProps = {
  message: Said;
  /** Still being written. */
  live: boolean;
  strings: Strings;
  /** The one before was said by the same. */
  follows: boolean;
  /** The conversation's state when this is the last word in it, else null. */
  turn: ConversationState | null;
  /** The earlier answer that this corrects, when it is here. */
  target: string | null;
  unrated: boolean;
  actions: EntryActions;
};

export class Entry extends Still<EntryProps> {
  render({ message, strings, follows, target, actions }: EntryProps): JSX.Element {
    const { id, author, text, confidence } = message;
    const by = author.name || strings.assistant;
    if (message.corrects) {
      return (
        <article class="offer" data-id={id} tabIndex={-1}>
          <Speaker who={by} strings={strings} shown={author.kind === "staff"} />
          <Plain text={text} />
          {target && (
            <button type="button" class="link" onClick={() => actions.seek(target)}>
              {strings.seek}
            </button>
          )}
        </article>
      );
    }
    switch (author.kind) {
      case "system":
        return <p class="note">{noteText(text, strings)}</p>;
      case "visitor":
        return (
          <article class="visitor">
            <Speaker who={strings.you} strings={strings} />
            <Plain text={text} />
          </article>
        );
      case "staff":
        return (
          <article class={follows ? "staff follows" : "staff"}>
            <Speaker who={by} strings={strings} shown={!follows} />
            <Plain text={text} />
          </article>
        );
      case "assistant":
        return (
          <article class={`assistant ${confidence ?? ""}`} data-id={id} tabIndex={-1}>
            <Speaker who={by} strings={strings} />
            {this.#answer()}
          </article>
        );
    }
  }

  /** The text, and below it what became of it and what may come next. */
  #answer(): JSX.Element {
    const { message, live, strings, turn, unrated, actions } = this.props;
    const { id, text, sources, status, confidence } = message;
    const broken = status === "failed" || status === "interrupted";
    const open = broken || confidence === "unknown" || confidence === "partial";
    return (
      <>
        <Answer text={text} live={live} sources={sources} strings={strings} grown={actions.grown} />
        {status !== "complete" && (
          <p class="mark">
            {broken ? strings.broken : strings.stopped}{" "}
            {(turn === "bot" || turn === "waiting") && (
              <button type="button" class="link" onClick={() => actions.again(id)}>
                {strings.retry}
              </button>
            )}
          </p>
        )}
        {confidence && !live && (
          <Rating message={message} strings={strings} unrated={unrated} {...actions} />
        )}
        {turn === "bot" && (
          <Questions items={message.suggestions} strings={strings} ask={actions.ask} />
        )}
        {turn === "bot" && open && (
          <div class="offer">
            <p>{strings.personHint}</p>
            <button type="button" class="primary" onClick={actions.askPerson}>
              <Icon name="person" />
              {strings.person}
            </button>
          </div>
        )}
      </>
    );
  }
}

/** Who speaks: read out for everyone, shown where it is not plain from the side it stands on. */
function Speaker({
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
  const write = (box: HTMLElement | null): void => {
    if (box && !box.firstChild) renderPlain(box, text);
  };
  return <div class="text plain" dir="auto" key={text} ref={write} />;
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
  const { client_id, text, status, problem, wait_s } = sending;
  return (
    <article class={`visitor ${status}`}>
      <Speaker who={strings.you} strings={strings} />
      <Plain text={text} />
      {status === "failed" ? (
        <p class="mark" role="alert">
          {strings.failed} {problem ?? strings.offlineSend}{" "}
          <button type="button" class="link" onClick={() => retry(client_id)}>
            {strings.retry}
          </button>
        </p>
      ) : (
        wait_s > 0 && <p class="mark">{strings.wait(wait_s)}</p>
      )}
    </article>
  );
}
