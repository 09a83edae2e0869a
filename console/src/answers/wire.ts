/** The shapes that calls about given answers carry, under short names; the server's schema declares them. */
import type { components } from "@widget/wire.gen";

type Schemas = components["schemas"];

export type AnswerTrace = Schemas["AnswerTrace"];
export type Trace = Schemas["Trace"];
export type TracedPassage = Schemas["TracedPassage"];
export type Timings = Schemas["Timings"];
export type Step = Schemas["Step"];
export type ReviewEntry = Schemas["Entry"];
export type Verdict = Schemas["Verdict"];
export type Affected = Schemas["Affected"];
export type Notice = Schemas["Notice"];
export type Told = Schemas["Told"];
