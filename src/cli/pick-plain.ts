import { BottleError } from '../kernel/errors.ts';
import { printable } from '../kernel/render-error.ts';
import { askLine } from './ask.ts';
import type { ControllingTerminal } from './attach.ts';
import { LABEL_COLOURS, type LabelColour } from './paint.ts';
import type { Choice } from './pick.ts';

/** The pickers as questions and answers, line by line: for screen readers, and where a screen can't be drawn on. */
type Streams = Pick<ControllingTerminal, 'input' | 'output'>;

export async function pickAgent(agents: readonly Choice[], streams: Streams, signal: AbortSignal): Promise<string> {
  show('Agents', agents, streams);
  return await answer('Which agent? Number or name', streams, signal, (text) => one(agents, text));
}

/** In the order in which they were named: the later is laid over the earlier. */
export async function pickBottles(
  bottles: readonly Choice[],
  streams: Streams,
  signal: AbortSignal,
): Promise<readonly string[]> {
  show('Bottles', bottles, streams);
  const question = 'Which bottles? Numbers or names with spaces between; the later is laid over the earlier';
  return await answer(question, streams, signal, (text) => {
    const named = text.split(/[\s,]+/).filter((word) => word !== '');
    if (named.length === 0) throw wrong('at least one');
    return named.map((word) => one(bottles, word));
  });
}

export async function pickLabel(streams: Streams, signal: AbortSignal): Promise<string | null> {
  const label = await askLine('A label for it? Empty for none', '', signal, streams);
  return label === '' ? null : label;
}

export async function pickColour(streams: Streams, signal: AbortSignal): Promise<LabelColour | null> {
  const question = `Its colour? ${LABEL_COLOURS.join(', ')}; empty for none`;
  return await answer(question, streams, signal, (text) => {
    const colour = LABEL_COLOURS.find((known) => known === text) ?? null;
    if (text !== '' && colour === null) throw wrong(`there is no colour "${text}"`);
    return colour;
  });
}

function show(title: string, choices: readonly Choice[], { output }: Streams): void {
  const lines = choices.map(
    ({ name, hint }, index) => `  ${String(index + 1)}  ${name}${hint === '' ? '' : `  ${hint}`}`,
  );
  output.write(`${[`${title}:`, ...lines].map(printable).join('\n')}\n`);
}

/** A number of the list, a name, or as much of one as is unique. */
function one(choices: readonly Choice[], text: string): string {
  const numbered = /^\d+$/.test(text) ? choices[Number(text) - 1] : undefined;
  const found = numbered ?? choices.find(({ name }) => name === text);
  if (found !== undefined) return found.name;
  const like = choices.filter(({ name }) => text !== '' && name.includes(text));
  const [only] = like;
  if (like.length === 1 && only !== undefined) return only.name;
  throw wrong(
    like.length === 0 ? `"${text}" is none of them` : `"${text}" is in ${like.map(({ name }) => name).join(', ')}`,
  );
}

const wrong = (message: string): BottleError => new BottleError('usage', { message });

/** Asks until the answer is one. */
async function answer<Value>(
  question: string,
  streams: Streams,
  signal: AbortSignal,
  read: (text: string) => Value,
): Promise<Value> {
  for (;;) {
    const text = await askLine(question, '', signal, streams);
    try {
      return read(text);
    } catch (failure) {
      if (!(failure instanceof BottleError)) throw failure;
      streams.output.write(`${printable(failure.message)}\n`);
    }
  }
}
