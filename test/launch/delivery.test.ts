import { describe, expect, it } from 'vitest';
import type { Header } from 'tar-stream';
import { checkEntry, comesAsFile, isInside, linkStaysInside } from '../../src/launch/delivery.ts';

/** A header as the reader of tar makes it. */
function header(changed: Partial<Header>): Header {
  return {
    name: 'a/file',
    size: 0,
    mode: 0o644,
    mtime: new Date(0),
    uid: 0,
    gid: 0,
    uname: '',
    gname: '',
    devmajor: 0,
    devminor: 0,
    type: 'file',
    linkname: '',
    pax: {},
    ...changed,
  };
}

const wanted = new Set(['a/file', 'a/link', 'a', '../up', '/abs', 'a/../b']);

describe('S1 what may come out of a bottle', () => {
  it.each<[string, Partial<Header>]>([
    ['a file', {}],
    ['a directory', { name: 'a/', type: 'directory' }],
    ['a link that stays inside', { name: 'a/link', type: 'symlink', linkname: '../b' }],
  ])('%s', (_why, changed) => {
    expect(() => checkEntry(header(changed), wanted)).not.toThrow();
  });

  it('without set-id bits', () => {
    expect(checkEntry(header({ mode: 0o6755 }), wanted).mode).toBe(0o755);
  });

  it.each<[string, Partial<Header>]>([
    ['what was not asked for', { name: 'b' }],
    ['a path that leads up', { name: '../up' }],
    ['a path with a way up in it', { name: 'a/../b' }],
    ['an absolute path', { name: '/abs' }],
    ['a hard link', { type: 'link', linkname: 'a/other' }],
    ['a device', { type: 'character-device' }],
    ['a block device', { type: 'block-device' }],
    ['a pipe', { type: 'fifo' }],
    ['a link to an absolute path', { name: 'a/link', type: 'symlink', linkname: '/etc/passwd' }],
    ['a link that leads out', { name: 'a/link', type: 'symlink', linkname: '../../x' }],
    ['a link that leads out and back', { name: 'a/link', type: 'symlink', linkname: '../../a/file' }],
    ['a link to nothing', { name: 'a/link', type: 'symlink', linkname: '' }],
  ])('never %s', (_why, changed) => {
    expect(() => checkEntry(header(changed), wanted)).toThrow(/can't come home/);
  });

  it.each(['.git/config', 'sub/.git/HEAD', '.GIT/hooks/x'])('%s does not come as a file', (name) => {
    expect(comesAsFile(name)).toBe(false);
  });

  it.each(['', '.', 'a//b', 'a/./b', 'a/..', 'a\0b'])('%j is no path inside', (name) => {
    expect(isInside(name)).toBe(false);
  });

  it.each([
    ['a/b/c', '../../d', true],
    ['a/b/c', '../../../d', false],
    ['a', 'b/../c', true],
    ['a', 'b/../../c', false],
  ])('a link %s → %s stays inside: %s', (name, target, stays) => {
    expect(linkStaysInside(name, target)).toBe(stays);
  });
});
