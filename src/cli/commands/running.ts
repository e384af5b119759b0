import { BottleError } from '../../kernel/errors.ts';
import type { BottleFile, KnownBottle } from '../../state/bottles.ts';

/** For commands that are about a bottle that runs: which it is, or why it is none and what can be done with it. */
export function runningBottle(bottle: KnownBottle): { readonly slug: string; readonly file: BottleFile } {
  const { slug, state, file } = bottle;
  if (state === 'live' && file !== null) return { slug, file };
  throw notRunning(bottle);
}

export function notRunning({ slug, state }: KnownBottle): BottleError {
  const about = (how: string, hint: string): BottleError =>
    new BottleError('bottle_not_found', { message: `${slug} is not running: ${how}`, hint });
  switch (state) {
    case 'live':
      return about('it is only just starting, or a gateway alone', 'bot-bottle list active');
    case 'preserved':
      return about('it has ended, and its work is kept', `bot-bottle resume ${slug}`);
    case 'orphan':
      return about('a crash ended it', 'bot-bottle cleanup');
    case 'unreadable':
      return about("its state can't be read", 'bot-bottle list active --all');
  }
}
