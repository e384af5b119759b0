import assert from 'node:assert/strict';
import { buildKnownValues, createBodyScanner, type Finding } from '../../../src/dlp/known-values.ts';
import { findAll, formsOf, percent, sortSpots } from '../../dlp/support/oracle.ts';
import { cutInto, randomCuts, type FuzzTarget } from '../target.ts';

const VALUES = [
  { name: 'A', value: 'sk_live_Zq83hd7Wm2pX' },
  { name: 'B', value: 'aab%41aaba' },
  { name: 'C', value: 'xaab%41aabay' },
  { name: 'D', value: 'deadbeefdeadbeef' },
  { name: 'E', value: 'deadbeef' },
];
const known = buildKnownValues(VALUES);
const forms = VALUES.flatMap(({ value }) => formsOf(value).map(({ text }) => text));

export const knownValues: FuzzTarget = {
  name: 'known-values',
  corpus: [...forms, ...forms.map(percent), ...forms.map((text) => percent(percent(text))), forms.join(' ')],
  dictionary: ['%', '%4', '%41', '%25', '%2541', '%%', 'DEAD', 'a', 'x', ...VALUES.map(({ value }) => value)],
  iterations: 3000,
  check(input, random) {
    const scanner = createBodyScanner(known, 'body');
    const findings: Finding[] = [];
    let released = 0;
    for (const piece of [...cutInto(input, randomCuts(input.length, random)), null]) {
      const step = piece === null ? scanner.end() : scanner.push(piece);
      findings.push(...step.findings);
      assert.ok(step.release >= released, 'took bytes back');
      released = step.release;
    }
    assert.deepEqual(sortSpots(findings), findAll(VALUES, Buffer.from(input).toString('latin1')));
    assert.equal(released, Math.min(input.length, ...findings.map(({ start }) => start)));
  },
};
