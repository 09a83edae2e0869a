/** What is heard and told over the socket: fetched together with it, when there is something to follow. */
import { type Auth, Realtime, type Status } from "../realtime/client";
import type { Clock } from "../realtime/clock";
import { followAnswers } from "../realtime/follow";
import { browserPage, type Page } from "../realtime/page";
import type { Presence } from "../realtime/presence";
import type { Transport } from "../realtime/transport";
import { TypingTeller, Typists } from "../realtime/typing";
import type { Chat, ChatEvent } from "./state";

/** What the app does when something is heard. */
export type LiveHooks = {
  auth: Auth;
  state: () => Chat;
  dispatch: (event: ChatEvent) => void;
  status: (status: Status) => void;
  readConversation: () => Promise<void>;
  readConversations: () => Promise<void>;
  /** Whether somebody is online has changed. */
  readAvailability: () => void;
};

const AVAILABILITY_WITHIN_MS = 3_000; // every visitor of the site hears of it at once

export class Live {
  readonly realtime: Realtime;
  readonly #teller: TypingTeller;
  readonly #typists: Typists;
  readonly #visitor: Place;
  readonly #conversation: Place;
  readonly #public: Place;
  readonly #ends: (() => void)[];
  #presence: Presence | null = null;
  #viewing = false;

  constructor(
    connect: Transport,
    private readonly clock: Clock,
    private readonly hooks: LiveHooks,
    page: Page = browserPage,
  ) {
    const { auth, state, dispatch, status } = hooks;
    const realtime = new Realtime({ connect, clock, auth, page });
    this.realtime = realtime;
    this.#visitor = new Place((topic) => this.#followVisitor(topic));
    this.#conversation = new Place((topic) => this.#followConversation(topic));
    this.#public = new Place((topic) => this.#followAvailability(topic));
    this.#teller = new TypingTeller(clock, (on) => {
      const conversation_id = state().conversation?.id;
      realtime.call("typing", { conversation_id, on }).catch(() => undefined);
    });
    this.#typists = new Typists(clock, ([typing]) => {
      dispatch({ type: "typing", name: typing?.name ?? null });
    });
    this.#ends = [
      realtime.onStatus(status),
      realtime.on("typing", (typing) => {
        const isHere = typing.conversation_id === state().conversation?.id;
        if (isHere && typing.kind === "staff") this.#typists.hear(typing);
      }),
      followAnswers(realtime, (frame) => {
        dispatch({ type: "frame", frame });
        if (frame.event === "answer.end") void hooks.readConversation();
        return state().answer;
      }),
    ];
  }

  /** Follows what the state shows. */
  follow(): void {
    const { visitor_id, conversation, site } = this.hooks.state();
    this.#visitor.to(visitor_id && `visitor:${visitor_id}:conversations`);
    this.#conversation.to(conversation && `conversation:${conversation.id}:messages`);
    this.#public.to(site?.availability.topic ?? null);
  }

  /** Whether the visitor looks at the conversation: staff see so. */
  view(viewing: boolean): void {
    this.#viewing = viewing;
    this.#presence?.announce({ viewing });
  }

  /** The visitor types: staff who wait for it see so. */
  typed(): void {
    const { conversation } = this.hooks.state();
    if (conversation && ["waiting", "staff"].includes(conversation.state)) this.#teller.key();
  }

  /** The visitor has sent it. */
  sent(): void {
    this.#teller.stop();
  }

  end(): void {
    for (const end of this.#ends) end();
    for (const place of [this.#visitor, this.#conversation, this.#public]) place.to(null);
    this.#teller.end();
    this.#typists.end();
    this.realtime.stop();
  }

  /** Hears of a conversation that began elsewhere, while none is open here; an open one has its own topic. */
  #followVisitor(topic: string): () => void {
    const read = (): unknown => {
      const { conversation } = this.hooks.state();
      const isOpen = conversation && conversation.state !== "closed";
      return isOpen ? undefined : this.hooks.readConversations();
    };
    return this.realtime.join(topic, { signal: read, refetch: read });
  }

  #followConversation(topic: string): () => void {
    const read = (): Promise<void> => this.hooks.readConversation();
    const leave = this.realtime.join(topic, {
      signal: read,
      shows: ({ event }) => (event === "message.changed" ? this.hooks.state().cursor : null),
      refetch: read,
    });
    const presence = this.realtime.presence(topic);
    this.#presence = presence;
    presence.announce({ viewing: this.#viewing });
    return () => {
      this.#typists.end();
      this.#teller.end();
      presence.end();
      leave();
      this.#presence = null;
    };
  }

  #followAvailability(topic: string): () => void {
    let cancel: (() => void) | null = null;
    const leave = this.realtime.join(topic, {
      signal: ({ event }) => {
        if (event !== "availability.changed") return;
        cancel ??= this.clock.after(AVAILABILITY_WITHIN_MS * this.clock.random(), () => {
          cancel = null;
          this.hooks.readAvailability();
        });
      },
      refetch: (why) => void (why !== "poll" && this.hooks.readAvailability()),
    });
    return () => {
      cancel?.();
      leave();
    };
  }
}

/** One thing that is followed at a time. */
class Place {
  #topic: string | null = null;
  #leave: (() => void) | null = null;

  constructor(private readonly follow: (topic: string) => () => void) {}

  to(topic: string | null): void {
    if (topic === this.#topic) return;
    this.#leave?.();
    this.#topic = topic;
    this.#leave = topic ? this.follow(topic) : null;
  }
}
