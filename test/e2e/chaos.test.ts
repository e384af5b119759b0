import { describe, expect, it } from 'vitest';
import { chaosRound, MOMENTS, VICTIMS, type Chosen } from './support/chaos.ts';

/** A few rounds, each part and each moment in turn; `npm run chaos` goes on at random for as long as you like. */
const ROUNDS: readonly Required<Chosen>[] = [
  ...VICTIMS.filter((victim) => victim !== 'anyone').flatMap((victim) =>
    (['cleanup', 'resume'] as const).map((ending) => ({ victim, moment: 'agent' as const, ending })),
  ),
  ...MOMENTS.map((moment) => ({ victim: 'anyone' as const, moment, ending: 'cleanup' as const })),
  ...(['agent', 'at random'] as const).map((moment) => ({
    victim: 'anyone' as const,
    moment,
    ending: 'resume, killed' as const,
  })),
];

describe('kill -9 of any part at any moment', () => {
  it.each(ROUNDS)(
    'G-KEEP H5 $victim at "$moment", then $ending: told right, no work lost, nothing left, and the next launch works',
    async (chosen) => {
      const round = await chaosRound(ROUNDS.indexOf(chosen), chosen);
      expect(round.problems, round.what).toEqual([]);
    },
  );
});
