import { describe, expect, it } from 'vitest';
import { decideRef, landingRef, type RefFacts } from '../../../src/policy/gitgate/push-rules.ts';
import { isCiDefinition, matchesPathGlob, protectedBecause } from '../../../src/policy/gitgate/protected-paths.ts';
import { matchesRefGlob, refProblem } from '../../../src/policy/gitgate/ref-name.ts';
import type { PushRules } from '../../../src/schema/git-gate.ts';

const A = 'a'.repeat(40);
const B = 'b'.repeat(40);
const ZERO = '0'.repeat(40);

const RULES: PushRules = {
  push: null,
  allowDelete: false,
  allowForce: false,
  allowTags: false,
  pushDefault: 'ask',
  landBelow: null,
  pathsProtected: null,
  pushCi: 'warn',
};
const FACTS: RefFacts = { current: null, defaultBranch: 'refs/heads/main', empty: false, fastForward: null };

describe('which refs a push may change', () => {
  const all = { allowDelete: true, allowForce: true, allowTags: true };
  const rows: readonly (readonly [
    why: string,
    rules: Partial<PushRules>,
    facts: Partial<RefFacts>,
    command: readonly [ref: string, old: string, wanted: string],
    verdict: string,
  ])[] = [
    ['a new branch', {}, {}, ['refs/heads/a', ZERO, B], 'allow'],
    ['a branch that goes on', {}, { current: A, fastForward: true }, ['refs/heads/a', A, B], 'allow'],
    ['one whose commits are not here yet', {}, { current: A }, ['refs/heads/a', A, B], 'allow'],
    [
      'one that loses commits',
      {},
      { current: A, fastForward: false },
      ['refs/heads/a', A, B],
      'deny force_not_allowed',
    ],
    ['the same, allowed', all, { current: A, fastForward: false }, ['refs/heads/a', A, B], 'allow'],
    ['a deletion', {}, { current: A }, ['refs/heads/a', A, ZERO], 'deny delete_not_allowed'],
    ['a deletion, allowed', all, { current: A }, ['refs/heads/a', A, ZERO], 'allow'],
    [
      'force does not delete',
      { allowForce: true },
      { current: A },
      ['refs/heads/a', A, ZERO],
      'deny delete_not_allowed',
    ],
    ['what has moved meanwhile', {}, { current: B }, ['refs/heads/a', A, B], 'deny stale'],
    ['what has come meanwhile', {}, { current: B }, ['refs/heads/a', ZERO, A], 'deny stale'],
    ['what has gone meanwhile', all, {}, ['refs/heads/a', A, ZERO], 'deny stale'],
    ['a tag', {}, {}, ['refs/tags/v1', ZERO, B], 'deny tag_not_allowed'],
    ['a tag, even where a glob names it', { push: ['refs/*'] }, {}, ['refs/tags/v1', ZERO, B], 'deny tag_not_allowed'],
    ['a tag, allowed', { allowTags: true }, {}, ['refs/tags/v1', ZERO, B], 'allow'],
    [
      'a tag that moves',
      { allowTags: true },
      { current: A, fastForward: true },
      ['refs/tags/v1', A, B],
      'deny force_not_allowed',
    ],
    ['a note', {}, {}, ['refs/notes/commits', ZERO, B], 'deny ref_not_allowed'],
    ['a note that a glob names', { push: ['refs/notes/*'] }, {}, ['refs/notes/commits', ZERO, B], 'allow'],
    ['a replacement', { push: ['refs/*'], ...all }, {}, ['refs/replace/x', ZERO, B], 'deny ref_not_allowed'],
    ["what is the gate's own", { push: ['refs/*'] }, {}, ['refs/upstream/heads/a', ZERO, B], 'deny ref_not_allowed'],
    ['a pull request of the forge', {}, {}, ['refs/pull/1/head', ZERO, B], 'deny ref_not_allowed'],
    ['outside the globs', { push: ['review/*'] }, {}, ['refs/heads/main2', ZERO, B], 'deny ref_not_allowed'],
    ['inside them', { push: ['review/*'] }, {}, ['refs/heads/review/a/b', ZERO, B], 'allow'],
    ['an empty list allows nothing', { push: [] }, {}, ['refs/heads/a', ZERO, B], 'deny ref_not_allowed'],
    ['the default branch', {}, { current: A, fastForward: true }, ['refs/heads/main', A, B], 'ask default_branch'],
    [
      'the default branch, denied',
      { pushDefault: 'deny' },
      { current: A },
      ['refs/heads/main', A, B],
      'deny default_branch',
    ],
    ['the default branch, allowed', { pushDefault: 'allow' }, { current: A }, ['refs/heads/main', A, B], 'allow'],
    [
      'the default branch is deleted',
      { allowDelete: true },
      { current: A },
      ['refs/heads/main', A, ZERO],
      'ask default_branch',
    ],
    ['the first branch of all', {}, { empty: true }, ['refs/heads/main', ZERO, B], 'allow'],
    ['it lands elsewhere', { landBelow: 'refs/heads/x/' }, { current: A }, ['refs/heads/main', A, B], 'allow'],
  ];
  it.each(rows)('%s', (_why, rules, facts, [ref, old, wanted], verdict) => {
    const decided = decideRef({ ...RULES, ...rules }, { ...FACTS, ...facts }, { ref, old, new: wanted });
    expect(decided.kind === 'allow' ? 'allow' : `${decided.kind} ${decided.reason}`).toBe(verdict);
  });

  it('lands branches of a local upstream below the bottle, and only branches', () => {
    const rules = { ...RULES, landBelow: 'refs/heads/web-k3x9q/' };
    expect(landingRef(rules, 'refs/heads/fix/a')).toBe('refs/heads/web-k3x9q/fix/a');
    expect(landingRef(rules, 'refs/tags/v1')).toBe('refs/tags/v1');
    expect(landingRef(RULES, 'refs/heads/a')).toBe('refs/heads/a');
  });
});

describe('globs of refs', () => {
  it.each([
    ['refs/heads/*', 'refs/heads/a/b', true],
    ['refs/heads/*', 'refs/heads/', true],
    ['refs/heads/*', 'refs/tags/a', false],
    ['main', 'refs/heads/main', true],
    ['main', 'refs/heads/main2', false],
    ['*/fix', 'refs/heads/a/fix', true],
    ['a*b*c', 'refs/heads/a-b-b-c', true],
    ['a*b*c', 'refs/heads/acb', false],
    ['ab*ba', 'refs/heads/aba', false],
  ])('%s of %s: %s', (glob, ref, matches) => {
    expect(matchesRefGlob(glob, ref)).toBe(matches);
  });
  it('takes names as git does', () => {
    expect(refProblem('refs/heads/feature/a-b_c.d+e')).toBeNull();
    expect(refProblem(`refs/heads/${'a'.repeat(600)}`)).toContain('longer');
  });
});

describe('S30 protected paths', () => {
  it.each([
    ['.github/workflows/**', '.github/workflows/ci.yml', true],
    ['.github/workflows/**', '.GitHub/Workflows/deep/ci.yml', true],
    ['.github/workflows/**', '.github/workflows', false],
    ['.github/workflows/**', 'docs/.github/workflows/ci.yml', false],
    ['**/secrets/**', 'a/b/secrets/c', true],
    ['**/secrets/**', 'secrets/c', true],
    ['**/*.tf', 'main.tf', true],
    ['**/*.tf', 'a/b/main.tf', true],
    ['Makefile', 'sub/makefile', true],
    ['/Makefile', 'sub/Makefile', false],
    ['src/*.ts', 'src/a/b.ts', false],
    ['src/*.ts', 'src/a.ts', true],
    ['**', 'anything/at/all', true],
  ])('%s of %s: %s', (glob, path, matches) => {
    expect(matchesPathGlob(glob, path)).toBe(matches);
  });

  it.each([
    [null, '.github/workflows/ci.yml', 'CI'],
    [null, 'JENKINSFILE', 'CI'],
    [null, 'packages/a/.vscode/tasks.json', 'Visual Studio Code'],
    [null, 'src/index.ts', null],
    [['infra/**'], 'infra/main.tf', 'infra/**'],
    [['infra/**'], '.github/workflows/ci.yml', null],
    [[], '.github/workflows/ci.yml', null],
  ] as const)('%j protects %s: %s', (globs, path, because) => {
    const seen = protectedBecause(globs, path);
    if (because === null) expect(seen).toBeNull();
    else expect(seen).toContain(because);
  });

  it.each([
    '.gitlab-ci.yml',
    '.forgejo/workflows/a.yml',
    '.circleci/config.yml',
    'azure-pipelines.yml',
    '.woodpecker/x.yaml',
  ])('knows %s as CI', (path) => {
    expect(isCiDefinition(path)).toBe(true);
  });
});
