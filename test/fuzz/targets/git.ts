import assert from 'node:assert/strict';
import { refProblem } from '../../../src/policy/gitgate/ref-name.ts';
import { AdvertisementReader } from '../../../src/protocol/git/advertisement.ts';
import { encodePkts, PktStream, type Pkt } from '../../../src/protocol/git/pkt-line.ts';
import { PushRequestReader, type PushReading } from '../../../src/protocol/git/push-request.ts';
import { BandReader, parseReport } from '../../../src/protocol/git/report.ts';
import { randomCuts, type FuzzTarget } from '../target.ts';

const A = 'a'.repeat(40);
const ZERO = '0'.repeat(40);
const WORDS = [
  '0000',
  '0001',
  '0002',
  '0003',
  '0004',
  'fff0',
  'FFFF',
  '\0',
  '\n',
  ' ',
  A,
  ZERO,
  'refs/heads/',
  '..',
  '-x',
];

/** Git's framing: any split gives the same packets, and what comes out encodes to what went in. */
const packets: FuzzTarget = {
  name: 'git-packets',
  corpus: ['0006a\n0000', '000ahello\n0009done\n00010002', '0004', `0032${A}\n`],
  dictionary: WORDS,
  iterations: 4000,
  check(input, random) {
    const cuts = randomCuts(input.length, random);
    const whole = new PktStream();
    const pieces = new PktStream();
    const first = whole.push(input);
    const second: Pkt[] = [];
    for (const [index, cut] of cuts.slice(1).entries()) second.push(...pieces.push(input.slice(cuts[index], cut)));
    assert.deepEqual(second.map(plain), first.map(plain));
    assert.equal(pieces.problem, whole.problem);
    for (const pkt of first) {
      if (pkt.kind !== 'data' || pkt.bytes.length === 0) continue;
      const [encoded] = encodePkts(pkt.bytes);
      assert.equal(encoded?.length, pkt.bytes.length + 4);
    }
    new BandReader().push(input);
    parseReport(input);
  },
};

function plain(pkt: Pkt): string {
  return pkt.kind === 'data' ? Buffer.from(pkt.bytes).toString('latin1') : `<${pkt.kind}>`;
}

/** The list that a push begins with: any split reads the same, and no ref that it lets through is one that git refuses. */
const pushLists: FuzzTarget = {
  name: 'git-push-lists',
  corpus: [
    `0084${A} ${ZERO} refs/heads/main\0report-status side-band-64k00`,
    `0067${ZERO} ${A} refs/heads/a\0 report-status0000PACK`,
    `0034shallow ${A}0067${ZERO} ${A} refs/heads/a\0 report-status0000PACK\0\0\0\x02`,
    '0000',
    `000dpush-cert0000`,
  ],
  dictionary: [
    ...WORDS,
    'shallow ',
    'push-cert',
    'push-options',
    'report-status',
    'object-format=sha256',
    'PACK',
    '\x1b',
    '\xff',
  ],
  iterations: 4000,
  check(input, random) {
    const bounds = { bytes: 1024, commands: 5 };
    const whole = new PushRequestReader('sha1', bounds).push(input);
    const cuts = randomCuts(input.length, random);
    const reader = new PushRequestReader('sha1', bounds);
    let pieces: PushReading = { kind: 'more' };
    for (const [index, cut] of cuts.slice(1).entries()) {
      if (pieces.kind === 'more') pieces = reader.push(input.slice(cuts[index], cut));
    }
    assert.deepEqual(pieces, whole);
    if (whole.kind !== 'complete') return;
    assert.ok(whole.size <= input.length);
    for (const { ref, old, new: wanted } of whole.request.commands) {
      assert.equal(refProblem(ref), null);
      assert.match(old + wanted, /^[0-9a-f]{80}$/);
    }
  },
};

/** What an upstream says it has: any split reads the same, and names that we refuse are not among it. */
const advertisements: FuzzTarget = {
  name: 'git-advertisements',
  corpus: [
    `0057${A} HEAD\0symref=HEAD:refs/heads/main atomic003c${A} refs/heads/main0000`,
    `001e# service=git-upload-pack\n0000003c${A} refs/heads/main0000`,
    `000cERR no\n`,
    `0045${ZERO} capabilities^{}\0atomic0000`,
  ],
  dictionary: [...WORDS, 'HEAD', '^{}', 'ERR ', 'symref=HEAD:', 'version 1'],
  iterations: 3000,
  check(input, random) {
    const http = random.below(2) === 0;
    const read = (cuts: readonly number[]): unknown => {
      const reader = new AdvertisementReader({ http, limitBytes: 4096 });
      for (const [index, cut] of cuts.slice(1).entries()) {
        const reading = reader.push(input.slice(cuts[index], cut));
        if (reading.kind !== 'more') return reading;
      }
      return null;
    };
    const whole = read([0, input.length]);
    assert.deepEqual(read(randomCuts(input.length, random)), whole);
    const reading = new AdvertisementReader({ http, limitBytes: 4096 }).push(input);
    if (reading.kind !== 'complete') return;
    for (const ref of reading.advertisement.refs.keys()) assert.equal(refProblem(ref), null);
  },
};

export const GIT: readonly FuzzTarget[] = [packets, pushLists, advertisements];
