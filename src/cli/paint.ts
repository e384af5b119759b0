import { BottleError } from '../kernel/errors.ts';

/** The few colours there are; colour is never the only sign of anything. */
const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 } as const;
export type Colour = keyof typeof CODES;

/** What `--color` takes. */
export const LABEL_COLOURS = ['red', 'green', 'yellow', 'blue', 'magenta', 'cyan'] as const;
export type LabelColour = (typeof LABEL_COLOURS)[number];

export function paint(text: string, colour: Colour, on: boolean): string {
  return on ? `\u001b[${String(CODES[colour])}m${text}\u001b[0m` : text;
}

export function labelColour(name: string | undefined): LabelColour | null {
  if (name === undefined) return null;
  const known = LABEL_COLOURS.find((colour) => colour === name);
  if (known !== undefined) return known;
  throw new BottleError('usage', {
    message: `--color "${name}" is no colour`,
    hint: `one of: ${LABEL_COLOURS.join(', ')}`,
  });
}
