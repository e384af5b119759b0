import { BottleError } from '../../kernel/errors.ts';
import type { Agent } from '../../manifest/index.ts';

/** The bottles an agent works in: those that were picked, else the one it names. */
export function bottlesOf(agent: Agent, picked: readonly string[]): readonly string[] {
  if (picked.length > 0) return picked;
  if (agent.bottle !== null) return [agent.bottle.name];
  throw new BottleError('usage', {
    message: `agent ${agent.name} names no bottle`,
    hint: `bot-bottle start ${agent.name} --bottle NAME`,
  });
}
