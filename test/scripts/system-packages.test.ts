import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { findExecutable, planInstall, spellCommand, type Manager } from '../../scripts/system-packages.ts';

describe('the command that installs bubblewrap and git', () => {
  const rows: readonly { readonly manager: Manager; readonly asRoot: boolean; readonly commands: readonly string[] }[] =
    [
      {
        manager: 'apt',
        asRoot: true,
        commands: ['apt-get update', 'apt-get install --yes --no-install-recommends bubblewrap git'],
      },
      {
        manager: 'apt',
        asRoot: false,
        commands: ['sudo apt-get update', 'sudo apt-get install --yes --no-install-recommends bubblewrap git'],
      },
      { manager: 'dnf', asRoot: false, commands: ['sudo dnf install --assumeyes bubblewrap git'] },
      { manager: 'pacman', asRoot: true, commands: ['pacman --sync --refresh --needed --noconfirm bubblewrap git'] },
      { manager: 'apk', asRoot: true, commands: ['apk add --update-cache bubblewrap git'] },
      {
        manager: 'zypper',
        asRoot: true,
        commands: ['zypper --non-interactive refresh', 'zypper --non-interactive install bubblewrap git'],
      },
    ];

  it.each(rows)('by $manager, as root: $asRoot', ({ manager, asRoot, commands }) => {
    expect(planInstall(manager, ['bwrap', 'git'], asRoot).commands.map(spellCommand)).toEqual(commands);
  });

  it('never waits for a password', () => {
    const [command] = planInstall('dnf', ['git'], false).commands;
    expect(command?.slice(0, 2)).toEqual(['sudo', '--non-interactive']);
  });

  it('says what a system has no package of', () => {
    expect(planInstall('apk', ['mitmproxy'], true)).toEqual({ commands: [], unpackaged: ['mitmproxy'] });
  });
});

describe('a program is found', () => {
  it('on PATH when it can be run, and not otherwise', () => {
    const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'bot-bottle-path-'));
    try {
      const file = path.join(directory, 'a-program-of-the-test');
      fs.writeFileSync(file, '', { mode: 0o644 });
      expect(findExecutable('a-program-of-the-test', directory)).toBeNull();
      fs.chmodSync(file, 0o755);
      expect(findExecutable('a-program-of-the-test', directory)).toBe(file);
      expect(findExecutable('a-program-of-the-test', '')).toBeNull();
    } finally {
      fs.rmSync(directory, { recursive: true });
    }
  });
});
