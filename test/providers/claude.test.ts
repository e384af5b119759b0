import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BottleError } from '../../src/kernel/errors.ts';
import { LIMITS } from '../../src/kernel/limits.ts';
import { CLAUDE_PLACEHOLDERS } from '../../src/providers/claude/claude.ts';
import { claudePackage, PINNED_VERSION } from '../../src/providers/claude/package.ts';
import { claudeProvider, commandProvider, providerFor, type ProvisionInput } from '../../src/providers/index.ts';
import { ProvisionedFileSchema } from '../../src/schema/plan.ts';
import { RouteSchema } from '../../src/schema/route.ts';

const CLI = {
  executable: '/cache/claude/2.1.329-linux-x64/claude',
  mount: '/cache/claude/2.1.329-linux-x64',
  version: '2.1.329',
};
const POSITION = { file: 'bottles/claude.md', line: 3, column: 1 };

function input(changes: Partial<ProvisionInput> = {}): ProvisionInput {
  return {
    settings: { value: {}, position: POSITION },
    authToken: 'CLAUDE_TOKEN',
    prompt: '',
    headlessPrompt: null,
    continues: false,
    command: [],
    cli: CLI,
    home: '/home/agent',
    workspace: '/home/agent/workspace',
    ...changes,
  };
}

function withSettings(value: unknown): ProvisionInput {
  return input({ settings: { value, position: POSITION } });
}

function failureOf(act: () => unknown): BottleError {
  try {
    act();
  } catch (failure) {
    if (failure instanceof BottleError) return failure;
    throw failure;
  }
  return expect.fail('nothing was refused');
}

describe('the claude provider', () => {
  test('S10: its route opens two endpoints of one host, and the token is the gateway’s affair', () => {
    expect(claudeProvider.provision(input()).routes).toEqual([
      {
        host: 'api.anthropic.com',
        auth: { scheme: 'Bearer', token_ref: 'CLAUDE_TOKEN' },
        matches: [
          {
            methods: ['POST'],
            paths: [
              { type: 'exact', value: '/v1/messages' },
              { type: 'exact', value: '/v1/messages/count_tokens' },
            ],
          },
        ],
      },
    ]);
  });

  test('S10: files, batches, models and the organisation’s rules are opened only by settings', () => {
    const [shut] = claudeProvider.provision(input()).routes;
    const [open] = claudeProvider.provision(
      withSettings({ endpoints: ['models', 'files', 'batches', 'organisation'] }),
    ).routes;
    expect(shut?.matches).toHaveLength(1);
    const paths = open?.matches?.flatMap((match) => match.paths?.map(({ value }) => value)) ?? [];
    expect(paths).toEqual([
      '/v1/messages',
      '/v1/messages/count_tokens',
      '/v1/models',
      '/v1/files',
      '/v1/messages/batches',
      '/api/claude_code/settings',
      '/api/claude_code/policy_limits',
    ]);
  });

  test.for([
    { credential: 'oauth', auth: { scheme: 'Bearer', token_ref: 'T' }, variable: 'CLAUDE_CODE_OAUTH_TOKEN' },
    {
      credential: 'api_key',
      auth: { scheme: 'header', name: 'x-api-key', token_ref: 'T' },
      variable: 'ANTHROPIC_API_KEY',
    },
  ])('G-SECRET: form $credential puts only its placeholder inside', ({ credential, auth, variable }) => {
    const plan = claudeProvider.provision({ ...withSettings({ credential }), authToken: 'T' });
    expect(plan.routes[0]?.auth).toEqual(auth);
    const credentials = ['CLAUDE_CODE_OAUTH_TOKEN', 'ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN'];
    expect(credentials.filter((name) => name in plan.env)).toEqual([variable]);
    expect(plan.env[variable]).toMatch(/^sk-ant-(oat01|api03)-bot-bottle-placeholder-/);
  });

  test('without auth_token there is no route and no placeholder, and the plan warns', () => {
    const plan = claudeProvider.provision(input({ authToken: null }));
    expect(plan.routes).toEqual([]);
    expect(Object.values(plan.env).join()).not.toContain('placeholder');
    expect(plan.warnings.join()).toContain('no auth_token');
  });

  test.for([
    { why: 'a session on a terminal', changes: {}, tail: [] },
    {
      why: 'a headless task comes last, behind --',
      changes: { headlessPrompt: '--fix it' },
      tail: ['--print', '--output-format', 'text', '--', '--fix it'],
    },
    {
      why: 'the agent’s body is appended as it stands',
      changes: { prompt: '-- Be brief.\n' },
      tail: ['--append-system-prompt', '-- Be brief.\n'],
    },
    { why: 'a body of blanks is no prompt', changes: { prompt: ' \n\n' }, tail: [] },
  ])('argv: $why', ({ changes, tail }) => {
    const { argv } = claudeProvider.provision(input(changes));
    expect(argv).toEqual([CLI.executable, '--dangerously-skip-permissions', ...tail]);
  });

  test('stream-json brings the --verbose that Claude Code asks for with it', () => {
    const settings = { value: { output: 'stream-json', partial_messages: true, model: 'opus' }, position: null };
    const { argv } = claudeProvider.provision(input({ headlessPrompt: 'x', settings }));
    const flags = [
      '--model',
      'opus',
      '--print',
      '--output-format',
      'stream-json',
      '--verbose',
      '--include-partial-messages',
      '--',
      'x',
    ];
    expect(argv.slice(2)).toEqual(flags);
  });

  test('a prompt that the kernel would not take is refused before anything starts', () => {
    const longest = 'ä'.repeat(Math.floor(LIMITS.argumentBytes / 2));
    expect(() => claudeProvider.provision(input({ prompt: longest }))).not.toThrow();
    const failure = failureOf(() => claudeProvider.provision(input({ headlessPrompt: `${longest}ä` })));
    expect(failure).toMatchObject({
      code: 'config_invalid',
      message: expect.stringContaining('--prompt is 131072 bytes'),
    });
  });

  test('the home answers what a first run asks, for this workspace and these placeholders', () => {
    const plan = claudeProvider.provision(input());
    const contents = Object.fromEntries(plan.files.map((file) => [file.path, JSON.parse(file.content) as unknown]));
    expect(contents).toEqual({
      '/home/agent/.claude.json': {
        hasCompletedOnboarding: true,
        customApiKeyResponses: { approved: [CLAUDE_PLACEHOLDERS.api_key.value.slice(-20)], rejected: [] },
        projects: { '/home/agent/workspace': { hasTrustDialogAccepted: true, hasCompletedProjectOnboarding: true } },
      },
      '/home/agent/.claude/settings.json': {
        skipDangerousModePermissionPrompt: true,
        skipWebFetchPreflight: true,
        sandbox: { enabled: false },
      },
    });
    for (const file of plan.files) expect(ProvisionedFileSchema.parse(file).mode).toBe(0o600);
  });

  test('H16: a plan is a printable value: the same from the same input, and every route of it in the one schema', () => {
    const settings = fc.record(
      {
        credential: fc.constantFrom('oauth', 'api_key'),
        model: fc.constantFrom('opus', 'claude-sonnet-5-5', 'opus[1m]'),
        output: fc.constantFrom('text', 'json', 'stream-json'),
        endpoints: fc.subarray(['models', 'files', 'batches', 'organisation']),
      },
      { requiredKeys: [] },
    );
    const prompts = fc.string({ unit: 'grapheme', maxLength: 200 });
    fc.assert(
      fc.property(settings, prompts, fc.option(prompts), (value, prompt, headlessPrompt) => {
        const asked = input({ prompt, headlessPrompt, settings: { value, position: null } });
        const plan = claudeProvider.provision(asked);
        expect(JSON.parse(JSON.stringify(plan))).toEqual(claudeProvider.provision(asked));
        for (const route of plan.routes) expect(RouteSchema.parse(route)).toEqual(route);
        expect(plan.mounts).toEqual([CLI.mount]);
      }),
    );
  });

  test.for([
    {
      value: { credentials: 'oauth' },
      key: 'credentials',
      message: 'unknown key "credentials"; allowed: credential, cli,',
    },
    { value: { credential: 'cookie' }, key: 'credential', message: 'Invalid option' },
    { value: { version: 'latest' }, key: 'version', message: 'a version of the 2.1 line' },
    { value: { version: '2.1.0 --registry=x' }, key: 'version', message: 'a version of the 2.1 line' },
    { value: { model: '--resume' }, key: 'model', message: 'a model name' },
    { value: { endpoints: ['files', 'admin'] }, key: 'endpoints.1', message: 'Invalid option' },
  ])('settings $value are refused at their key', ({ value, key, message }) => {
    const failure = failureOf(() => claudeProvider.provision(withSettings(value)));
    expect(failure).toMatchObject({
      code: 'manifest_invalid',
      key: `agent_provider.settings.${key}`,
      position: POSITION,
    });
    expect(failure.message).toContain(message);
  });
});

describe('which archive holds the program', () => {
  const linux = { platform: 'linux', arch: 'x64', libc: 'glibc' } as const;

  test.for([
    { host: linux, name: '@anthropic-ai/claude-code-linux-x64' },
    { host: { ...linux, libc: 'musl' as const }, name: '@anthropic-ai/claude-code-linux-x64-musl' },
    { host: { ...linux, arch: 'arm64' }, name: '@anthropic-ai/claude-code-linux-arm64' },
  ])('$name at the pinned version, with its hash', ({ host, name }) => {
    const wanted = claudePackage(PINNED_VERSION, host);
    expect(wanted).toMatchObject({ name, version: PINNED_VERSION });
    expect(wanted.integrity).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/);
  });

  test('another version has no hash of ours, and a cache entry of its own', () => {
    const other = claudePackage('2.1.300', linux);
    expect(other.integrity).toBeNull();
    expect(other.entry).not.toBe(claudePackage(PINNED_VERSION, linux).entry);
  });

  test('a platform without an archive is refused, with the way out', () => {
    const failure = failureOf(() => claudePackage(PINNED_VERSION, { ...linux, arch: 'riscv64' }));
    expect(failure).toMatchObject({ code: 'provider_failed', hint: expect.stringContaining('cli: host') });
  });
});

describe('the command provider', () => {
  test('the command is the agent, untouched, and nothing is opened for it', () => {
    const command = ['sh', '-c', 'echo "$1" --', ''];
    expect(commandProvider.provision(input({ command, authToken: null }))).toEqual({
      title: 'sh',
      argv: command,
      env: {},
      files: [],
      routes: [],
      mounts: [],
      verify: [],
      warnings: [],
    });
  });

  test('no command is a usage error', () => {
    expect(failureOf(() => commandProvider.provision(input()))).toMatchObject({ code: 'usage', exitCode: 2 });
  });
});

describe('templates', () => {
  test.for([
    { template: 'codex', code: 'feature_missing', message: 'the provider "codex" is not built yet' },
    { template: 'pi', code: 'feature_missing', message: 'the provider "pi" is not built yet' },
    { template: 'command', code: 'manifest_invalid', message: 'there is no provider "command"; there is: claude' },
    { template: 'cluade', code: 'manifest_invalid', message: 'there is no provider "cluade"; there is: claude' },
  ])('$template is refused by name', ({ template, code, message }) => {
    const failure = failureOf(() => providerFor(template, POSITION));
    expect(failure).toMatchObject({ code, message, key: 'agent_provider.template', position: POSITION });
  });

  test('claude is found', () => {
    expect(providerFor('claude').template).toBe('claude');
  });
});
