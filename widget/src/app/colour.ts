/** Readable colours from whatever accent a site has. */

export const ACCENT = "#3b5bdb";

const TEXT_CONTRAST = 5.7; // 4.5 is asked for; our tinted grounds take a fifth of it

type Rgb = [number, number, number];

function rgb(hex: string): Rgb | null {
  const digits = /^#([\da-f]{3}|[\da-f]{6})$/i.exec(hex)?.[1];
  if (!digits) return null;
  const wide = digits.length === 3 ? digits.replace(/./g, "$&$&") : digits;
  const value = Number.parseInt(wide, 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** Relative luminance, WCAG 2.2. */
function luminance(colour: Rgb): number {
  const [r, g, b] = colour.map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }) as Rgb;
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** The accent, or ours when it is no `#rgb` or `#rrggbb`; and black or white, whichever reads better on it. */
export function accentPair(hex: string | null | undefined): { accent: string; on: string } {
  const colour = rgb(hex ?? "");
  if (!hex || !colour) return { accent: ACCENT, on: "#fff" };
  // White and black text have the same contrast at a luminance of 0.179.
  return { accent: hex, on: luminance(colour) > 0.179 ? "#000" : "#fff" };
}

/** WCAG contrast of two hex colours, 1 to 21. */
export function contrast(one: string, other: string): number {
  const [light, dark] = [one, other]
    .map((hex) => luminance(rgb(hex) ?? [0, 0, 0]))
    .sort((a, b) => b - a) as [number, number];
  return (light + 0.05) / (dark + 0.05);
}

/** The accent as a colour for text on `ground`, darkened or lightened; with room for tints of the ground. */
export function accentText(hex: string, ground: string): string {
  const colour = rgb(hex) ?? [59, 91, 219];
  const target = luminance(rgb(ground) ?? [255, 255, 255]) > 0.179 ? 0 : 255;
  for (let share = 0; share < 1; share += 0.05) {
    const mixed = colour.map((part) => Math.round(part + (target - part) * share));
    const text = `#${mixed.map((part) => part.toString(16).padStart(2, "0")).join("")}`;
    if (contrast(text, ground) >= TEXT_CONTRAST) return text;
  }
  return target ? "#ffffff" : "#000000";
}
