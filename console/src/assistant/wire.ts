/** The shapes of how the bot speaks, what it asks and what it may cost; the server's schema declares them. */
import type { components } from "@widget/wire.gen";

type Schemas = components["schemas"];

export type PersonaState = Schemas["PersonaState"];
export type Persona = Schemas["PersonaView"];
export type PersonaInput = Required<Schemas["PersonaDraft"]>;
export type Published = Schemas["PersonaPublished"];

export type ModelList = Schemas["ModelList"];
export type Model = Schemas["ModelView"];
export type ModelInput = Schemas["ModelWanted"];
export type ModelTest = Schemas["Trial"];

export type Budget = Schemas["Overview"];
export type Allowance = Schemas["Allowed"];
export type AllowanceInput = Schemas["WantedAllowance"];
export type Scope = Allowance["scope"];
export type Today = Schemas["Today"];
export type Day = Schemas["Day"];
