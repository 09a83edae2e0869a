/** What the visitor thinks of an answer, and what a colleague found who looked at it. */
import { Component, createRef, type JSX } from "preact";
import type { Feedback } from "../../wire";
import type { Strings } from "../strings";
import type { EntryActions, Said } from "./entry";
import { Icon } from "./icons";

type Props = {
  message: Said;
  strings: Strings;
  /** The last rating could not be stored. */
  unrated: boolean;
  rate: EntryActions["rate"];
  grown: () => void;
};

export class Rating extends Component<Props, { told: boolean }> {
  override state = { told: false };
  readonly #down = createRef<HTMLButtonElement>();
  readonly #form = createRef<HTMLDivElement>();
  /** The form is wanted, here or still on its way. */
  #asks = false;

  render({ message, strings, unrated }: Props, { told }: { told: boolean }): JSX.Element {
    const { feedback, review } = message;
    const thumb = (value: 1 | -1, label: string): JSX.Element => (
      <button
        type="button"
        class={value > 0 ? "bare" : "bare under"}
        aria-label={label}
        aria-pressed={feedback?.value === value}
        ref={value > 0 ? null : this.#down}
        onClick={() => this.#press(feedback?.value === value ? null : value)}
      >
        <Icon name="thumb" />
      </button>
    );
    return (
      <>
        <div class="rating" role="group" aria-label={strings.rating}>
          {thumb(1, strings.good)}
          {thumb(-1, strings.bad)}
          {review && (
            <span>
              <Icon name="check" />
              {strings[review.kind](review.by)}
            </span>
          )}
          <span role="status">{unrated ? strings.failed : told && strings.thanks}</span>
        </div>
        <div ref={this.#form} />
      </>
    );
  }

  #press(value: 1 | -1 | null): void {
    this.#tell(value && { value, reason: null });
    this.#asks = value === -1;
    if (!this.#asks) return;
    void import("../reason").then(
      ({ askReason }) => {
        const form = this.#form.current;
        if (!form || !this.#asks) return;
        form.replaceChildren();
        askReason(form, this.props.strings.lang, (reason) => {
          form.replaceChildren();
          this.#down.current?.focus();
          if (reason) this.#tell({ value: -1, reason });
        });
        this.props.grown();
      },
      () => 0, // a thumb without a reason is worth something too
    );
  }

  #tell(feedback: Feedback | null): void {
    this.#form.current?.replaceChildren();
    this.setState({ told: !!feedback?.reason });
    this.props.rate(this.props.message, feedback);
  }
}
