import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { nearest } from '../../src/manifest/edit-distance.ts';
import { originOf } from '../../src/manifest/index.ts';
import { AGENT_KEYS, BOTTLE_KEYS } from '../../src/schema/manifest.ts';
import { REFUSED_KEYS } from '../../src/manifest/old-keys.ts';
import { complaint, manifestsOf } from './support.ts';

/** The front matter of Claude Code's sub-agents, as its documentation lists it. */
const CLAUDE_CODE = `name: reviewer
description: Reviews code. Use proactively.
tools: Read, Grep
disallowedTools: [Write]
model: sonnet
permissionMode: plan
maxTurns: 5
mcpServers: {github: {type: stdio, command: gh-mcp}}
hooks: {PreToolUse: [{matcher: Bash}]}
memory: project
background: true
effort: high
isolation: worktree
color: blue
initialPrompt: hello`;

const agentOf = (yaml: string) => manifestsOf({}, { reviewer: yaml }).loadAgent('reviewer');

describe('H8 agent files', () => {
  test('every key of Claude Code passes through, kept with its value and place', () => {
    const agent = agentOf(CLAUDE_CODE);
    expect(agent.passedThrough.map(({ key }) => key)).toEqual(
      CLAUDE_CODE.split('\n').map((line) => line.split(':')[0]),
    );
    expect(agent.passedThrough[5]).toEqual({
      key: 'permissionMode',
      value: 'plan',
      origin: { file: 'agents/reviewer.md', line: 7, column: 1 },
    });
    expect(agent.passedThrough[7]?.value).toEqual({ github: { type: 'stdio', command: 'gh-mcp' } });
    expect(agent.bottle).toBeNull();
  });

  test('a key that Claude Code may add later passes, a near miss of ours never does', () => {
    const ours = [...AGENT_KEYS, ...BOTTLE_KEYS];
    fc.assert(
      fc.property(fc.stringMatching(/^[a-z][a-zA-Z_-]{0,16}$/), (key) => {
        fc.pre(!ours.includes(key) && !Object.hasOwn(REFUSED_KEYS, key) && !['true', 'false', 'null'].includes(key));
        const said = complaint(() => agentOf(`${key}: x`));
        const meant = nearest(
          key,
          ours.filter((own) => own !== 'description'),
        );
        expect(said.startsWith('manifest_invalid')).toBe(meant !== null);
        if (meant !== null) expect(said).toContain(`did you mean "${meant}"?`);
      }),
      { numRuns: 300 },
    );
  });

  test.each([
    {
      why: 'a near miss',
      yaml: 'skils: [code-review]',
      says: `manifest_invalid
agents/reviewer.md:2:1  skils
  unknown key "skils"; did you mean "skills"?
  allowed here: bottle, skills, git-gate, and whatever Claude Code knows
      skills: [code-review]`,
    },
    {
      why: 'another case',
      yaml: 'name: x\nBottle: acme',
      says: `manifest_invalid
agents/reviewer.md:3:1  Bottle
  unknown key "Bottle"; did you mean "bottle"?
  allowed here: bottle, skills, git-gate, and whatever Claude Code knows
      bottle: claude`,
    },
    {
      why: 'G-REPO hosts',
      yaml: 'egress: {routes: [{host: a.example}]}',
      says: `manifest_invalid
agents/reviewer.md:2:1  egress
  "egress" belongs into a bottle: an agent file can carry no hosts, credentials or limits
      bottle: claude`,
    },
    {
      why: 'G-REPO variables',
      yaml: 'bottle: acme\nenv: {A: "${AWS_SECRET_ACCESS_KEY}"}',
      says: `manifest_invalid
agents/reviewer.md:3:1  env
  "env" belongs into a bottle: an agent file can carry no hosts, credentials or limits
      bottle: claude`,
    },
    {
      why: 'G-REPO a provider',
      yaml: 'agent_provider: {auth_token: A}',
      says: `manifest_invalid
agents/reviewer.md:2:1  agent_provider
  "agent_provider" belongs into a bottle: an agent file can carry no hosts, credentials or limits
      bottle: claude`,
    },
    {
      why: 'G-REPO repositories',
      yaml: 'git-gate:\n  repos: {}',
      says: `manifest_invalid
agents/reviewer.md:3:3  git-gate.repos
  "git-gate.repos" belongs into a bottle: an agent file can carry no hosts, credentials or limits
      bottle: claude`,
    },
    {
      why: 'G-REPO parents',
      yaml: 'extends: acme',
      says: `manifest_invalid
agents/reviewer.md:2:1  extends
  "extends" belongs into a bottle: an agent file can carry no hosts, credentials or limits
      bottle: claude`,
    },
    {
      why: 'G-REPO mounts, misspelt',
      yaml: 'mount: [{path: /}]',
      says: `manifest_invalid
agents/reviewer.md:2:1  mount
  unknown key "mount"; did you mean "mounts"?
  allowed here: bottle, skills, git-gate, and whatever Claude Code knows`,
    },
    {
      why: 'an old spelling',
      yaml: 'git_user: {name: A}',
      says: `manifest_invalid
agents/reviewer.md:2:1  git_user
  "git_user" is the old spelling of git-gate.user
      git-gate: {user: {name: Acme Bot, email: bot@acme.example}}`,
    },
    {
      why: 'skills are not built yet',
      yaml: 'skills: [code-review]',
      says: `feature_missing
agents/reviewer.md:2:1  skills
  "skills" is not built yet; remove it`,
    },
    {
      why: 'a bottle that is no name',
      yaml: 'bottle: ../acme',
      says: `manifest_invalid
agents/reviewer.md:2:9  bottle
  must be a name such as web-2: small letters, digits and dashes, a letter first
      bottle: claude`,
    },
    {
      why: 'an unknown field of the identity',
      yaml: 'git-gate: {user: {mail: a@b.example}}',
      says: `manifest_invalid
agents/reviewer.md:2:19  git-gate.user.mail
  unknown key "mail"; did you mean "email"?
  allowed here: name, email
      email: bot@acme.example`,
    },
    {
      why: 'an anchor in a key that is passed through',
      yaml: 'tools: &t [Read]',
      says: `manifest_invalid
agents/reviewer.md:2:11
  YAML anchors (&) and aliases (*) are not used here; write the value out`,
    },
  ])('$why', ({ yaml, says }) => {
    expect(complaint(() => agentOf(yaml))).toBe(says);
  });
});

describe('an agent', () => {
  test('has its bottle, its place and its prompt unchanged', () => {
    const agent = agentOf('bottle: acme');
    expect(agent).toMatchObject({
      name: 'reviewer',
      from: 'home',
      file: 'agents/reviewer.md',
      bottle: { name: 'acme', origin: { file: 'agents/reviewer.md', line: 2, column: 9 } },
      prompt: 'Be brief.\n',
    });
  });

  test("lays its git identity over the bottle's by field, each with its file", () => {
    const manifests = manifestsOf(
      { acme: 'git-gate: {user: {name: Acme Bot, email: bot@acme.example}}\nenv: {A: b}' },
      { reviewer: 'git-gate:\n  user: {name: Reviewer, email: ""}' },
    );
    const bottle = manifests.loadForAgent(manifests.loadAgent('reviewer'), ['acme']);
    expect(bottle.gitUser).toEqual({ name: 'Reviewer', email: 'bot@acme.example' });
    expect(originOf(bottle, ['git-gate', 'user', 'name'])).toEqual({ file: 'agents/reviewer.md', line: 3, column: 16 });
    expect(originOf(bottle, ['git-gate', 'user', 'email']).file).toBe('bottles/acme.md');
    expect(bottle.env).toMatchObject({ A: { kind: 'literal', value: 'b' } });
  });

  test('that is not there is told with what is', () => {
    expect(complaint(() => manifestsOf({}, { reviewer: '', builder: '' }).loadAgent('reviewr')))
      .toBe(`manifest_not_found
there is no agent "reviewr"; did you mean "reviewer"?
there is: builder, reviewer
      bot-bottle list available`);
  });
});
