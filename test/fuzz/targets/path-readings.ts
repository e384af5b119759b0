import assert from 'node:assert/strict';
import { LIMITS } from '../../../src/kernel/limits.ts';
import { pathReadings } from '../../../src/policy/path-readings.ts';
import type { FuzzTarget } from '../target.ts';

/** S22: readings are closed: what a reading reads as is a reading already, and the path as sent is one of them. */
export const pathsAsRead: FuzzTarget = {
  name: 'path-readings',
  corpus: [
    '/repos/acme/web',
    '/v1/%2e%2e/admin',
    '/a//b/./c/../d',
    '/@scope%2fname',
    '/a;x=1/b;y',
    '/a\\b%5cc',
    '/%252e%252e/x',
    '/\xc0\xafx',
    '/%c0%af%e0%80%af',
    '/a%00b',
    '/a%',
  ],
  dictionary: [
    '%2f',
    '%2F',
    '%5c',
    '%2e',
    '..',
    '.',
    '//',
    ';',
    '\\',
    '%25',
    '%',
    '/../',
    '%3b',
    '\xc0\xaf',
    '\0',
    '%00',
  ],
  iterations: 1500,
  check(input) {
    const text = Buffer.from(input).toString('latin1');
    const path = text.startsWith('/') ? text : `/${text}`;
    const read = pathReadings(path);
    if (!read.ok) return;
    assert.ok(read.value.includes(path), 'the path as it was sent');
    assert.ok(read.value.length <= LIMITS.pathReadings);
    assert.equal(new Set(read.value).size, read.value.length, 'one of them twice');
    for (const reading of read.value) {
      assert.ok(reading.startsWith('/') && !reading.includes('\0'), JSON.stringify(reading));
      const again = pathReadings(reading);
      if (!again.ok) continue;
      for (const deeper of again.value) assert.ok(read.value.includes(deeper), `${reading} reads as ${deeper} too`);
    }
  },
};
