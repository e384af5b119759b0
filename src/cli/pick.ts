import type { Key } from 'node:readline';
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
  return chosen(streams, signal, (asked) =>
    autocomplete({
      ...asked,
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
  return chosen(streams, signal, (asked) =>
    autocompleteMultiselect({
      ...asked,
      message: 'Which bottles? Tab picks; the later is laid over the earlier',
      placeholder: 'type to filter',
      maxItems: 10,
      required: true,
      options: options(bottles),
    }),
  );
}

export async function pickLabel(streams: Streams, signal: AbortSignal): Promise<string | null> {
  const label = await chosen(streams, signal, (asked) => text({ ...asked, message: 'A label for it? Empty for none' }));
  return label.trim() === '' ? null : label.trim();
}

export async function pickColour(streams: Streams, signal: AbortSignal): Promise<LabelColour | null> {
  const picked = await chosen(streams, signal, (asked) =>
    select<LabelColour | 'none'>({
      ...asked,
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

/**
 * The end of input cancels, as Esc and Ctrl-C do; the prompts themselves would wait for a key for ever. What stops the
 * command later must not reach a prompt that is done: it would write on the agent's screen.
 */
async function chosen<Value extends string | readonly string[]>(
  streams: Streams,
  signal: AbortSignal,
  ask: (asked: Streams & { readonly signal: AbortSignal }) => Promise<Value | typeof CANCEL_SYMBOL>,
): Promise<Value> {
  const left = new AbortController();
  const leave = (): void => {
    left.abort();
  };
  const onKey = (_text: string | undefined, key: Key): void => {
    if (key.ctrl === true && key.name === 'd') leave();
  };
  const { input, output } = streams;
  input.on('keypress', onKey);
  input.once('end', leave);
  signal.addEventListener('abort', leave, { once: true });
  if (signal.aborted) leave();
  try {
    const answer = await ask({ input, output, signal: left.signal });
    if (isCancel(answer)) throw cancelled(signal);
    return answer;
  } finally {
    input.off('keypress', onKey);
    input.off('end', leave);
    signal.removeEventListener('abort', leave);
  }
}
