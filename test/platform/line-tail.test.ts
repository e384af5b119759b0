import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LineTail } from '../../src/platform/line-tail.ts';

let directory = '';
let file = '';

beforeEach(() => {
  directory = fs.mkdtempSync(path.join(os.tmpdir(), 'line-tail-'));
  file = path.join(directory, 'log');
});

afterEach(() => {
  fs.rmSync(directory, { recursive: true });
});

describe('a file that others append to', () => {
  it('is read by whole lines, each once, however it grows', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'grapheme' })), fc.array(fc.nat(50)), (texts, steps) => {
        const lines = texts.map((text) => text.replaceAll('\n', ' '));
        const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
        fs.rmSync(file, { force: true });
        using tail = new LineTail(file);
        const read: string[] = [...tail.lines()];
        let at = 0;
        for (const step of [...steps, bytes.length]) {
          fs.appendFileSync(file, bytes.subarray(at, at + step));
          at += step;
          read.push(...tail.lines());
        }
        expect(read).toEqual(lines.map((line) => Buffer.from(line).toString()));
      }),
      { numRuns: 50 },
    );
  });

  it('that was moved away is read to its end, then the one in its place from its beginning', () => {
    fs.writeFileSync(file, 'one\n');
    using tail = new LineTail(file);
    expect([...tail.lines()]).toEqual(['one']);
    fs.appendFileSync(file, 'two\n');
    fs.renameSync(file, `${file}.1`);
    fs.appendFileSync(`${file}.1`, 'three\n');
    expect([...tail.lines()]).toEqual(['two', 'three']);
    fs.appendFileSync(`${file}.1`, 'four\n');
    fs.writeFileSync(file, 'five\nsi');
    expect([...tail.lines()]).toEqual(['four', 'five']);
    fs.appendFileSync(file, 'x\n');
    expect([...tail.lines()]).toEqual(['six']);
  });

  it('that was removed is still read to its end', () => {
    fs.writeFileSync(file, 'one\n');
    using tail = new LineTail(file);
    expect([...tail.lines()]).toEqual(['one']);
    fs.appendFileSync(file, 'two\n');
    fs.rmSync(file);
    expect([...tail.lines()]).toEqual(['two']);
    expect([...tail.lines()]).toEqual([]);
  });

  it('that was cut down is read anew', () => {
    fs.writeFileSync(file, 'one\ntw');
    using tail = new LineTail(file);
    expect([...tail.lines()]).toEqual(['one']);
    fs.writeFileSync(file, 'a\n');
    expect([...tail.lines()]).toEqual(['a']);
  });

  it('with a line without an end costs no memory for it', () => {
    fs.writeFileSync(file, `${'x'.repeat(3 * 1024 * 1024)}\nafter\n`);
    using tail = new LineTail(file);
    expect([...tail.lines()]).toEqual(['after']);
  });
});
