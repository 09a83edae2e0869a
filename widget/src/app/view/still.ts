import { Component } from "preact";

/** Renders again only when one of its properties is another: a stream must not touch what stands around it. */
export abstract class Still<Props> extends Component<Props> {
  override shouldComponentUpdate(next: Props): boolean {
    return (Object.keys(next as object) as (keyof Props)[]).some(
      (name) => next[name] !== this.props[name],
    );
  }
}
