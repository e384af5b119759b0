import assert from 'node:assert/strict';
import { DnsAnswerer } from '../../../src/egress/dns.ts';
import { parseQuestion } from '../../../src/egress/dns-message.ts';
import type { FuzzTarget } from '../target.ts';

const ALLOWED = 'api.example.com';

function question(name: string, type: number, flags = 0x0100): string {
  const labels = name.split('.').map((label) => `${String.fromCharCode(label.length)}${label}`);
  const words = [0x1234, flags, 1, 0, 0, 0].map((word) => String.fromCharCode(word >> 8, word & 0xff));
  return `${words.join('')}${labels.join('')}\0\0${String.fromCharCode(type)}\0\x01`;
}

/** G-NET: what gets an answer is one question in a plain query; only an allowed name has an address, and it is ours. */
export const dnsQuestions: FuzzTarget = {
  name: 'dns-questions',
  corpus: [
    question(ALLOWED, 1),
    question(ALLOWED, 28),
    question(ALLOWED, 65),
    question('data.carried.out.example.net', 1),
    question('supervise', 1, 0),
    question('API.Example.COM', 1),
    `${question(ALLOWED, 1)}\0\0\x29\x10\0\0\0\0\0\0\0`,
  ],
  dictionary: [
    '\0',
    '\xc0\x0c',
    '\x3f',
    '\x40',
    '\x03api\x07example\x03com\0',
    '.',
    '\0\x01\0\x01',
    '\0\x1c',
    '\x84\x00',
  ],
  iterations: 4000,
  check(input) {
    let refused: boolean | null = null;
    const answerer = new DnsAnswerer({
      allows: (name) => name === ALLOWED,
      onQuery: (was) => {
        refused = was;
      },
    });
    const answer = answerer.answer(input);
    const asked = parseQuestion(input);
    assert.equal(answer === null, asked === null, 'what is read is answered, and nothing else');
    if (answer === null || asked === null) return;
    const view = Buffer.from(answer);
    assert.equal(view.readUInt16BE(0), asked.id);
    assert.equal(view.readUInt16BE(2) & 0x8000, 0x8000, 'an answer');
    assert.deepEqual(view.subarray(12, 12 + asked.section.length), Buffer.from(asked.section));
    const hasAddress = view.readUInt16BE(6) === 1;
    const names = [ALLOWED, 'egress', 'supervise', 'git-gate', '_egress.local'];
    if (hasAddress) {
      assert.ok(names.includes(asked.name.toLowerCase()), `an address for ${asked.name}`);
      assert.deepEqual([...view.subarray(-4)], [127, 0, 0, 2]);
    } else {
      assert.equal(view.length, 12 + asked.section.length, 'nothing but the question');
    }
    assert.equal(refused, (view.readUInt16BE(2) & 0x0f) === 3);
  },
};
