import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRecordFile, endTornLine } from '../../src/platform/record-file.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'bot-bottle-record-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true });
});

describe('the record file', () => {
  it('G-RECORD a line is in the file when append returns', async () => {
    const path = join(directory, 'record.jsonl');
    const fd = openSync(path, 'a');
    const record = createRecordFile(fd);
    expect(record.append('{"n":1}').ok).toBe(true);
    expect(readFileSync(path, 'utf8')).toBe('{"n":1}\n');
    expect(record.append('{"n":2}').ok).toBe(true);
    await record.flush();
    expect(readFileSync(path, 'utf8')).toBe('{"n":1}\n{"n":2}\n');
    closeSync(fd);
  });

  it('G-RECORD a full disk is a failure that the caller sees', () => {
    const fd = openSync('/dev/full', 'a');
    expect(createRecordFile(fd).append('{"n":1}')).toMatchObject({
      ok: false,
      error: expect.stringContaining('ENOSPC'),
    });
    closeSync(fd);
  });

  it.each([
    { why: 'nothing was written yet', before: '', after: '' },
    { why: 'the last line is whole', before: '{"n":1}\n', after: '{"n":1}\n' },
    { why: 'its writer was killed in the middle of a line', before: '{"n":1}\n{"n', after: '{"n":1}\n{"n\n' },
  ])('G-RECORD a new writer begins on a fresh line: $why', ({ before, after }) => {
    const path = join(directory, 'record.jsonl');
    writeFileSync(path, before);
    endTornLine(path);
    endTornLine(path);
    expect(readFileSync(path, 'utf8')).toBe(after);
  });

  it('two writers do not overwrite each other', () => {
    const path = join(directory, 'record.jsonl');
    const fds = [openSync(path, 'a'), openSync(path, 'a')];
    const records = fds.map(createRecordFile);
    for (let round = 0; round < 50; round += 1)
      for (const [index, record] of records.entries()) record.append(`${String(index)}:${String(round)}`);
    expect(readFileSync(path, 'utf8').trimEnd().split('\n')).toHaveLength(100);
    for (const fd of fds) closeSync(fd);
  });
});
