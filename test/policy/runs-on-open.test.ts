import { describe, expect, it } from 'vitest';
import { RUNS_ON_OPEN, runsOnOpen } from '../../src/policy/runs-on-open.ts';

describe('S2 files that tools run unasked', () => {
  it.each([
    '.vscode/tasks.json',
    'packages/web/.vscode/tasks.json',
    '.VSCode/Tasks.json',
    '.envrc',
    'a/.envrc',
    '.git/config',
    '.git/hooks/post-checkout',
    'sub/.git/hooks/x/y',
    '.claude/settings.json',
    '.mcp.json',
    '.devcontainer/devcontainer.json',
    '.husky/pre-commit',
    'web.code-workspace',
    '.cargo/config.toml',
    '.yarnrc.yml',
    'eslint.config.mjs',
    '.eslintrc.cjs',
    'gradle/wrapper/gradle-wrapper.jar',
  ])('%s is one', (file) => {
    expect(runsOnOpen(file)).not.toBeNull();
  });

  it.each([
    'src/main.ts',
    'README.md',
    'vscode/tasks.json',
    'tasks.json',
    '.gitignore',
    'envrc',
    '.git/HEAD',
    'config.toml',
    '',
  ])('%s is none', (file) => {
    expect(runsOnOpen(file)).toBeNull();
  });

  it('every entry is found by a path made of it, and says who runs it', () => {
    for (const { pattern, by } of RUNS_ON_OPEN) {
      const file = pattern.replaceAll('**', 'x/y').replaceAll('*', 'z');
      expect(runsOnOpen(file), pattern).not.toBeNull();
      expect(by.length, pattern).toBeGreaterThan(1);
    }
  });
});
