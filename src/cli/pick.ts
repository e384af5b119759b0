import { autocomplete, autocompleteMultiselect, isCancel, select, text, type CANCEL_SYMBOL } from '@clack/prompts';
import type { ControllingTerminal } from './attach.ts';
import { cancelled } from './ask.ts';
import { LABEL_COLOURS, type LabelColour } from './paint.ts';

/** The pickers of an interactive start. Loaded when first needed: most commands show none. */
export interface Choice {
  readonly name: string;
  /** Beside the name: where it comes from, what it is laid over. */
  readonly hint: string;
}

type Streams = Pick<ControllingTerminal, 'input' | 'output'>;

export async function pickAgent(agents: readonly Choice[], streams: Streams, signal: AbortSignal): Promise<string> {
  return chosen(
    await autocomplete({
      ...streams,
      signal,
      message: 'Which agent?',
      placeholder: 'type to filter',
      maxItems: 10,
      options: options(agents),
    }),
  );
}

/** In the order in which they were picked: the later is laid over the earlier. */
export async function pickBottles(
  bottles: readonly Choice[],
  streams: Streams,
  signal: AbortSignal,
): Promise<readonly string[]> {
  return chosen(
    await autocompleteMultiselect({
      ...streams,
      signal,
      message: 'Which bottles? Tab picks; the later is laid over the earlier',
      placeholder: 'type to filter',
      maxItems: 10,
      required: true,
      options: options(bottles),
    }),
  );
}

export async function pickLabel(streams: Streams, signal: AbortSignal): Promise<string | null> {
  const label = chosen(await text({ ...streams, signal, message: 'A label for it? Empty for none' }));
  return label.trim() === '' ? null : label.trim();
}

export async function pickColour(streams: Streams, signal: AbortSignal): Promise<LabelColour | null> {
  const picked = chosen(
    await select<LabelColour | 'none'>({
      ...streams,
      signal,
      message: 'Its colour?',
      initialValue: 'none',
      options: [{ value: 'none' }, ...LABEL_COLOURS.map((value) => ({ value }))],
    }),
  );
  return picked === 'none' ? null : picked;
}

function options(choices: readonly Choice[]): { value: string; label: string; hint: string }[] {
  return choices.map(({ name, hint }) => ({ value: name, label: name, hint }));
}

function chosen<Value extends string | readonly string[]>(answer: Value | typeof CANCEL_SYMBOL): Value {
  if (isCancel(answer)) throw cancelled();
  return answer;
}
