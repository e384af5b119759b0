import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ROOT } from '../../scripts/root.ts';
import { canonicalJson, type JsonValue } from '../../src/kernel/canonical-json.ts';
import { AUDIT_PUBLIC_FILE, openAuditKey, type AuditKey } from '../../src/platform/audit-keys.ts';
import { systemClock } from '../../src/platform/clock.ts';
import { AuditLog } from '../../src/state/audit-log.ts';
import { auditParts, checkAudit } from '../../src/state/audit-verdict.ts';

let scratch = '';
let key: AuditKey;

beforeAll(() => {
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'bot-bottle-audit-'));
  key = openAuditKey(scratch);
});
afterAll(() => {
  fs.rmSync(scratch, { recursive: true, force: true });
});

let count = 0;
function place(): string {
  count += 1;
  return path.join(scratch, `record-${String(count)}`);
}

const START = { slug: 'reviewer-k3x9q', startedAt: '2026-11-20T10:00:00.000Z', from: 0 };

function begin(directory: string, partBytes?: number): AuditLog {
  const size = partBytes === undefined ? {} : { partBytes };
  return AuditLog.create({ directory, key, clock: systemClock, ...size }, START);
}

const BODIES = [
  { event: 'decided', host: 'api.example', path: '/a', port: 443 },
  { event: 'ended', timings: { decidedMs: 0.017, endedMs: 12.5 }, route: null },
  { text: 'ü \u2028 "quoted" \\ \u0001 \u{1f4a9}', list: [1, [2, { b: true, a: false }]] },
  { lone: '\ud800', é: 1, '\u{1f600}': 2, '\ufb33': 3 },
];

function sealedRecord(partBytes?: number): string {
  const directory = place();
  const log = begin(directory, partBytes);
  for (const body of BODIES) log.append('decision', body);
  log.signHead();
  log.appendSynced('operator', { what: 'approved', id: 'a'.repeat(64) });
  log.seal('ended');
  return directory;
}

function verify(...parameters: readonly string[]): { readonly code: number | null; readonly output: string } {
  const run = spawnSync('python3', [path.join(ROOT, 'examples/audit/verify.py'), ...parameters], { encoding: 'utf8' });
  return { code: run.status, output: `${run.stdout}${run.stderr}` };
}

const publicKey = (): string => path.join(scratch, AUDIT_PUBLIC_FILE);

/** Without what JSON has no text for, such as a negative zero. */
function plain(value: unknown): JsonValue {
  return z.json().parse(JSON.parse(JSON.stringify(value)));
}

describe('canonical JSON is that of RFC 8785', () => {
  it.each([
    { why: 'keys by their UTF-16 units', value: { '\u20ac': 1, '\r': 2, '\ufb33': 3, '1': 4, '\u{1f600}': 5, ö: 6 } },
    { why: 'nothing left out but what is undefined', value: { a: null, b: undefined, c: [] } },
  ])('$why', ({ value }) => {
    const expected = 'c' in value ? '{"a":null,"c":[]}' : '{"\\r":2,"1":4,"ö":6,"\u20ac":1,"\u{1f600}":5,"\ufb33":3}';
    expect(canonicalJson(value)).toBe(expected);
  });

  it('is one text for one value, whatever the order it was built in', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const turned = Object.fromEntries(Object.entries(value).reverse());
        const text = canonicalJson(plain(value));
        expect(canonicalJson(plain(turned))).toBe(text);
        expect(JSON.parse(text)).toEqual(plain(value));
      }),
    );
  });
});

describe('S35 the record', () => {
  it('is sealed and signed, and says whose it is', () => {
    const { verdict } = checkAudit(sealedRecord());
    expect(verdict).toMatchObject({ kind: 'sealed', slug: START.slug, keyId: key.keyId, how: 'ended' });
    if (verdict.kind === 'sealed') expect(verdict.head.records).toBe(BODIES.length + 4);
  });

  it('goes on in a next file when one is full, as one chain', () => {
    const directory = sealedRecord(400);
    expect(auditParts(directory).length).toBeGreaterThan(2);
    expect(checkAudit(directory).verdict.kind).toBe('sealed');
    fs.rmSync(path.join(directory, '0002.jsonl'));
    expect(checkAudit(directory).verdict).toMatchObject({ kind: 'tampered' });
  });

  it('is open until it is sealed, and knows its last signed head', () => {
    const directory = place();
    const log = begin(directory);
    log.append('decision', { a: 1 });
    log.signHead();
    log.append('decision', { a: 2 });
    expect(checkAudit(directory).verdict).toMatchObject({ kind: 'open', signedHead: 2, tornBytes: 0 });
    log.close();
  });

  it('tells a last line that a power loss cut short from tampering, and goes on after it', () => {
    const directory = place();
    const log = begin(directory);
    log.append('decision', { a: 1 });
    log.append('decision', { a: 2 });
    log.close();
    const file = path.join(directory, '0001.jsonl');
    fs.truncateSync(file, fs.statSync(file).size - 7);
    const { verdict } = checkAudit(directory);
    expect(verdict).toMatchObject({ kind: 'open', head: { records: 2 } });
    expect(verdict.kind === 'open' && verdict.tornBytes).toBeGreaterThan(0);
    const again = AuditLog.reopen({ directory, key, clock: systemClock });
    expect(again?.spooled).toBe(1);
    again?.log.append('decision', { a: 3 });
    again?.log.seal('recovered');
    expect(checkAudit(directory).verdict).toMatchObject({ kind: 'sealed', how: 'recovered' });
    expect(AuditLog.reopen({ directory, key, clock: systemClock })).toBeNull();
  });

  it('finds a head or a seal that another key signed', () => {
    const other = fs.mkdtempSync(path.join(scratch, 'other-'));
    const directory = place();
    const foreign = openAuditKey(other);
    const log = AuditLog.create(
      { directory, key: { ...key, sign: (text) => foreign.sign(text) }, clock: systemClock },
      START,
    );
    log.seal('ended');
    expect(checkAudit(directory).verdict).toMatchObject({
      kind: 'tampered',
      why: 'the signature of the seal does not hold',
    });
  });

  it('finds any edit, deletion, insertion and reordering, wherever it is', () => {
    const directory = sealedRecord();
    const file = path.join(directory, '0001.jsonl');
    const whole = fs.readFileSync(file);
    const lines = whole.toString('utf8').split('\n').slice(0, -1);
    const line = fc.nat(lines.length - 1);
    const change = fc.oneof(
      fc.record({
        kind: fc.constant('byte' as const),
        at: fc.nat(whole.length - 1),
        to: fc.integer({ min: 0, max: 255 }),
      }),
      fc.record({
        kind: fc.constant('insert' as const),
        at: fc.nat(whole.length),
        to: fc.integer({ min: 0, max: 255 }),
      }),
      fc.record({
        kind: fc.constant('cut' as const),
        at: fc.nat(whole.length - 1),
        length: fc.integer({ min: 1, max: 999 }),
      }),
      fc.record({ kind: fc.constant('delete' as const), at: line }),
      fc.record({ kind: fc.constant('repeat' as const), at: line, to: line }),
      fc.record({ kind: fc.constant('swap' as const), at: line, to: line }),
    );
    type Change = typeof change extends fc.Arbitrary<infer Value> ? Value : never;
    const apply = (made: Change): Buffer => {
      switch (made.kind) {
        case 'byte':
          return Buffer.concat([whole.subarray(0, made.at), Buffer.of(made.to), whole.subarray(made.at + 1)]);
        case 'insert':
          return Buffer.concat([whole.subarray(0, made.at), Buffer.of(made.to), whole.subarray(made.at)]);
        case 'cut':
          return Buffer.concat([whole.subarray(0, made.at), whole.subarray(made.at + made.length)]);
        case 'delete':
          return Buffer.from(`${lines.toSpliced(made.at, 1).join('\n')}\n`);
        case 'repeat':
          return Buffer.from(`${lines.toSpliced(made.to, 0, lines[made.at] ?? '').join('\n')}\n`);
        case 'swap':
          return Buffer.from(
            `${lines
              .with(made.at, lines[made.to] ?? '')
              .with(made.to, lines[made.at] ?? '')
              .join('\n')}\n`,
          );
      }
    };
    const changed = place();
    fs.mkdirSync(changed);
    fc.assert(
      fc.property(change, (made) => {
        const bytes = apply(made);
        fc.pre(!bytes.equals(whole));
        fs.writeFileSync(path.join(changed, '0001.jsonl'), bytes);
        const { verdict } = checkAudit(changed);
        // What only lacks its end is what a crash leaves: never sealed, and never longer than what there was.
        if (verdict.kind === 'open') {
          expect(
            whole
              .subarray(0, bytes.length - verdict.tornBytes)
              .equals(bytes.subarray(0, bytes.length - verdict.tornBytes)),
          ).toBe(true);
        } else expect(verdict.kind).toBe('tampered');
      }),
      { numRuns: 500 },
    );
  });
});

describe('the verifier in Python, which needs nothing of ours', () => {
  it('has less than 150 lines', () => {
    const text = fs.readFileSync(path.join(ROOT, 'examples/audit/verify.py'), 'utf8');
    expect(text.split('\n').length).toBeLessThanOrEqual(150);
  });

  it.each([
    { why: 'sealed, by the key that is given', prepare: () => sealedRecord(400), key: true, code: 0, says: 'sealed' },
    {
      why: 'sealed, by a key that nobody vouched for',
      prepare: () => sealedRecord(),
      key: false,
      code: 4,
      says: 'nobody',
    },
    {
      why: 'open',
      prepare: () => {
        const directory = place();
        const log = begin(directory);
        log.signHead();
        log.append('decision', { a: 0.25, b: 0.001, c: 12 });
        log.close();
        return directory;
      },
      key: true,
      code: 4,
      says: 'last signed head at 1',
    },
    {
      why: 'torn',
      prepare: () => {
        const directory = place();
        const log = begin(directory);
        log.append('decision', { a: 1 });
        log.close();
        fs.appendFileSync(path.join(directory, '0001.jsonl'), '{"at":');
        return directory;
      },
      key: true,
      code: 4,
      says: '6 bytes cut short',
    },
    {
      why: 'edited',
      prepare: () => {
        const directory = sealedRecord();
        const file = path.join(directory, '0001.jsonl');
        fs.writeFileSync(file, fs.readFileSync(file, 'utf8').replace('api.example', 'api.exampla'));
        return directory;
      },
      key: true,
      code: 1,
      says: 'the hash of record 1',
    },
    {
      why: 'its seal made for fewer records',
      prepare: () => {
        const directory = sealedRecord();
        const file = path.join(directory, '0001.jsonl');
        const lines = fs.readFileSync(file, 'utf8').split('\n');
        fs.writeFileSync(file, lines.toSpliced(-3, 1).join('\n'));
        return directory;
      },
      key: true,
      code: 1,
      says: 'does not follow',
    },
  ])('$why: exit $code', ({ prepare, key: given, code, says }) => {
    const run = verify(prepare(), ...(given ? ['--key', publicKey()] : []));
    expect(run.output).toContain(says);
    expect(run.code).toBe(code);
  });

  it('agrees with ours on every change that is tried', () => {
    const whole = fs.readFileSync(path.join(sealedRecord(), '0001.jsonl'), 'utf8');
    for (const at of [3, 70, 300, 900, whole.length - 30]) {
      const directory = place();
      fs.mkdirSync(directory);
      const character = whole[at] === 'x' ? 'y' : 'x';
      fs.writeFileSync(path.join(directory, '0001.jsonl'), whole.slice(0, at) + character + whole.slice(at + 1));
      expect(checkAudit(directory).verdict.kind).toBe('tampered');
      expect(verify(directory, '--key', publicKey()).code).toBe(1);
    }
  });
});
