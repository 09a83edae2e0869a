/** The conversation: stored messages, those on their way, the answer that is being written. */
import { Component, createRef, type JSX } from "preact";
import type { LiveAnswer } from "../../wire";
import { type Chat, isThinking } from "../state";
import type { Strings } from "../strings";
import { Entry, type EntryActions, type Said, Sending } from "./entry";
import { Icon } from "./icons";
import { Questions } from "./questions";
import { Follow } from "./scroll";

export type LogActions = Omit<EntryActions, "grown" | "seek"> & {
  retry: (client_id: string) => void;
  /** The visitor comes near to what talks to the server. */
  near: () => void;
};

type Props = { chat: Chat; strings: Strings; actions: LogActions; calling: boolean };
type State = { limit: number; stuck: boolean };

const SHOWN_FIRST = 50;

export class Log extends Component<Props, State> {
  override state = { limit: SHOWN_FIRST, stuck: true };
  readonly #box = createRef<HTMLDivElement>();
  #follow: Follow | null = null;

  override componentDidMount(): void {
    const box = this.#box.current;
    if (box) this.#follow = new Follow(box, (stuck) => this.setState({ stuck }));
    this.#follow?.grown();
  }

  override componentDidUpdate({ chat }: Props): void {
    // What one writes oneself one wants to see.
    if (chat.outbox.length < this.props.chat.outbox.length) this.#follow?.said();
    else this.#follow?.grown();
  }

  override componentWillUnmount(): void {
    this.#follow?.end();
  }

  render({ chat, strings, actions }: Props, { limit, stuck }: State): JSX.Element {
    const { messages, outbox, answer, typing } = chat;
    return (
      <div class="scroll">
        <div
          class="log"
          ref={this.#box}
          role="log"
          aria-live="off"
          aria-label={strings.log}
          tabIndex={0}
        >
          {this.#greeting()}
          {messages.length > limit && (
            <button type="button" class="quiet" onClick={this.#earlier}>
              {strings.earlier}
            </button>
          )}
          {[
            ...messages.slice(-limit).map(this.#entry),
            ...outbox.map((each) => (
              <Sending
                key={each.client_id}
                sending={each}
                strings={strings}
                retry={actions.retry}
              />
            )),
            // The stored message has the same key: it takes this one's place, and nothing is drawn anew.
            answer?.text &&
              !messages.some(({ id }) => id === answer.mid) &&
              this.#entry(inWriting(answer)),
          ]}
          {isThinking(chat) && <Dots key="dots" label={strings.answering} />}
          {typing !== null && <Dots key="typing" label={strings.typing(typing)} shown />}
        </div>
        {!stuck && (
          <button
            type="button"
            class="latest"
            onClick={() => this.#follow?.toEnd()}
            aria-label={strings.latest}
          >
            <Icon name="down" />
          </button>
        )}
      </div>
    );
  }

  #greeting(): JSX.Element | null {
    const { chat, strings } = this.props;
    const { site, messages, outbox } = chat;
    if (!site) return null;
    const begun = messages.length > 0 || outbox.length > 0;
    return (
      <>
        <div class="greeting" dir="auto">
          {site.greeting}
        </div>
        {!begun && <Questions items={site.starters} strings={strings} {...this.#actions} />}
      </>
    );
  }

  readonly #entry = (message: Said, index?: number, shown?: Said[]): JSX.Element => {
    const { chat, strings, calling } = this.props;
    const { answer, messages, outbox, expecting, conversation } = chat;
    const live = answer?.text && answer.mid === message.id;
    const last = message === messages.at(-1) && !outbox.length && !answer && !expecting && !calling;
    const target = messages.find(({ id }) => id === message.corrects);
    return (
      <Entry
        key={message.id}
        message={live ? inWriting(answer) : message}
        live={!!live}
        strings={strings}
        follows={isSameAuthor(shown?.[(index ?? 0) - 1], message)}
        turn={(last && conversation?.state) || null}
        target={target?.id ?? null}
        unrated={chat.unrated === message.id}
        actions={this.#actions}
      />
    );
  };

  readonly #earlier = (): void => {
    const box = this.#box.current;
    const height = box?.scrollHeight ?? 0;
    this.setState(({ limit }) => ({ limit: limit + SHOWN_FIRST }));
    requestAnimationFrame(() => box?.scrollBy(0, box.scrollHeight - height));
  };

  /** Shows a message of this conversation and moves there, however long ago it was. */
  readonly #seek = (mid: string): void => {
    const { messages } = this.props.chat;
    const back = messages.length - messages.findIndex(({ id }) => id === mid);
    this.setState(
      ({ limit }) => ({ limit: Math.max(limit, back) }),
      () => {
        const entry = this.#box.current?.querySelector<HTMLElement>(`[data-id="${mid}"]`);
        entry?.scrollIntoView({ block: "center" });
        entry?.focus({ preventScroll: true });
      },
    );
  };

  /** What is pressed goes away: focus stays in the conversation. */
  readonly #actions: EntryActions & LogActions = {
    ...this.props.actions,
    ask: (text) => {
      this.props.actions.ask(text);
      this.#box.current?.focus();
    },
    again: (mid) => {
      this.props.actions.again(mid);
      this.#box.current?.focus();
    },
    grown: () => this.#follow?.grown(),
    seek: this.#seek,
  };
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
function inWriting({ mid, text }: LiveAnswer): Said {
  return {
    id: mid,
    author: { kind: "assistant", id: null, name: "" },
    text,
    status: "complete",
    sources: [],
    confidence: null,
    feedback: null,
    review: null,
    suggestions: [],
    corrects: null,
  };
}

function isSameAuthor(before: Said | undefined, { author }: Said): boolean {
  return before?.author.kind === author.kind && before.author.id === author.id;
}
