import { describe, expect, it } from 'vitest';
import { chaosRound, MOMENTS, VICTIMS } from './support/chaos.ts';

/** A few rounds, each part and each moment in turn; `npm run chaos` goes on at random for as long as you like. */
const ROUNDS = [
  ...VICTIMS.filter((victim) => victim !== 'anyone').map((victim) => ({ victim, moment: 'agent' as const })),
  ...MOMENTS.map((moment) => ({ victim: 'anyone' as const, moment })),
];

describe('kill -9 of any part at any moment', () => {
  it.each(ROUNDS)(
    'G-KEEP H5 $victim at "$moment": told right, no work lost, nothing left, and the next launch works',
    async ({ victim, moment }) => {
      const round = await chaosRound(
        ROUNDS.findIndex((one) => one.victim === victim && one.moment === moment),
        victim,
        moment,
      );
      expect(round.problems, round.what).toEqual([]);
    },
  );
});
