import { beforeAll, describe, expect, test, type TestContext } from 'vitest';
import { CLAUDE_PLACEHOLDERS } from '../../src/providers/claude/claude.ts';
import { claudeProvider, type InstalledCli, type ProvisionPlan } from '../../src/providers/index.ts';
import { managedClaude, plainText, runPlan, startClaudeWorld, type ClaudeWorld } from '../stand-ins/claude-cli.ts';
import type { RecordedRequest, Turn } from '../stand-ins/messages-api.ts';

/**
 * The real Claude Code, outside a bottle, behind a proxy that leads api.anthropic.com to a stand-in and everything else
 * nowhere: what the provider's plan promises about the CLI is asked of the CLI.
 */
const FETCH_MS = 15 * 60_000;
const RUN_MS = 60_000;

let found: InstalledCli | { readonly missing: string };

beforeAll(async () => {
  found = await managedClaude();
}, FETCH_MS);

interface Ask {
  readonly headlessPrompt?: string;
  readonly prompt?: string;
  readonly settings?: Readonly<Record<string, unknown>>;
}

function cli(context: TestContext): InstalledCli {
  if ('missing' in found) return context.skip(`Claude Code can't be fetched here: ${found.missing}`);
  return found;
}

function planFor(program: InstalledCli, world: ClaudeWorld, ask: Ask): ProvisionPlan {
  return claudeProvider.provision({
    settings: { value: ask.settings ?? {}, position: null },
    authToken: 'CLAUDE_TOKEN',
    prompt: ask.prompt ?? '',
    headlessPrompt: ask.headlessPrompt ?? null,
    continues: false,
    command: [],
    cli: program,
    home: world.home,
    workspace: world.workspace,
  });
}

const DONE = 'The tool has run and all is done.';

/** One tool call, then the end. */
function toolThenText(command: string): (toolResults: readonly string[]) => Turn {
  return (results) => (results.length === 0 ? { kind: 'bash', command } : { kind: 'text', text: DONE });
}

function pathOf(request: RecordedRequest): string {
  return `${request.method} ${request.path.split('?')[0] ?? ''}`;
}

/** What the provider's route lets through. */
const ON_ROUTE = ['POST /v1/messages', 'POST /v1/messages/count_tokens'];

describe('the real Claude Code with the provider’s plan', () => {
  test.for([
    {
      credential: 'oauth',
      header: 'authorization',
      value: `Bearer ${CLAUDE_PLACEHOLDERS.oauth.value}`,
      absent: 'x-api-key',
      why: 'tokens of `claude setup-token` travel as Bearer',
    },
    {
      credential: 'api_key',
      header: 'x-api-key',
      value: CLAUDE_PLACEHOLDERS.api_key.value,
      absent: 'authorization',
      why: 'API keys have a header of their own',
    },
  ])(
    'G-SECRET S10: it takes the placeholder of form $credential for a credential: $why',
    { timeout: RUN_MS },
    async (form, context) => {
      await using world = await startClaudeWorld(toolThenText('echo "seen-$((6 * 7))"; pwd'));
      const ask = { headlessPrompt: 'do it', settings: { credential: form.credential } };
      await using agent = runPlan(planFor(cli(context), world, ask), world);
      expect(await agent.exit, agent.stderr() + agent.stdout()).toBe(0);
      expect(agent.stdout().trim()).toBe(DONE);
      expect(world.api.toolResults()).toEqual([`seen-42\n${world.workspace}`]);

      const conversation = world.api.requests.filter((request) => ON_ROUTE.includes(pathOf(request)));
      expect(conversation.length).toBeGreaterThanOrEqual(2);
      for (const request of conversation) {
        expect(request.headers[form.header]).toEqual([form.value]);
        expect(request.headers[form.absent]).toBeUndefined();
      }
    },
  );

  test(
    'S10: it works with everything off its route refused, and asks no other host for anything',
    { timeout: RUN_MS },
    async (context) => {
      await using world = await startClaudeWorld(toolThenText('true'));
      await using agent = runPlan(planFor(cli(context), world, { headlessPrompt: 'do it' }), world);
      expect(await agent.exit, agent.stderr()).toBe(0);
      expect(new Set(world.proxy.asked)).toEqual(new Set(['api.anthropic.com:443']));
      const refused = new Set(world.api.requests.map(pathOf).filter((path) => !ON_ROUTE.includes(path)));
      // The organisation's settings, which it does without. A new name here: does the CLI need it?
      expect([...refused].sort()).toEqual(['GET /api/claude_code/policy_limits', 'GET /api/claude_code/settings']);
    },
  );

  test('it counts tokens by the second endpoint of its route', { timeout: RUN_MS }, async (context) => {
    await using world = await startClaudeWorld(toolThenText('true'));
    await using agent = runPlan(planFor(cli(context), world, { headlessPrompt: '/context' }), world);
    expect(await agent.exit, agent.stderr()).toBe(0);
    expect(world.api.requests.map(pathOf)).toContain('POST /v1/messages/count_tokens');
  });

  test('it shows the first word of an answer before the second was sent', { timeout: RUN_MS }, async (context) => {
    let release = (): void => undefined;
    const holdAfterFirstDelta = new Promise<void>((resolve) => {
      release = resolve;
    });
    await using world = await startClaudeWorld(() => ({
      kind: 'text',
      text: 'First-word second-word',
      holdAfterFirstDelta,
    }));
    const settings = { output: 'stream-json', partial_messages: true };
    await using agent = runPlan(planFor(cli(context), world, { headlessPrompt: 'stream', settings }), world);
    expect(await agent.until(/text_delta[^\n]*First-word/), agent.stderr()).toBe(true);
    expect(agent.stdout()).not.toContain('second-word');
    release();
    expect(await agent.exit, agent.stderr()).toBe(0);
    expect(agent.stdout()).toContain('second-word');
  });

  test(
    'the operator’s prompts arrive unchanged, also when they look like options',
    { timeout: RUN_MS },
    async (context) => {
      await using world = await startClaudeWorld(toolThenText('true'));
      const prompt = '--help is what I call this\nand «this» is the second line';
      const ask = { prompt, headlessPrompt: '-p --version is the task', settings: { model: 'claude-test-model' } };
      await using agent = runPlan(planFor(cli(context), world, ask), world);
      expect(await agent.exit, agent.stderr()).toBe(0);
      const body = world.api.requests.find((request) => pathOf(request) === 'POST /v1/messages')?.body ?? '';
      expect(body).toContain(JSON.stringify(prompt).slice(1, -1));
      expect(body).toContain('-p --version is the task');
      expect(body).toContain('"model":"claude-test-model"');
    },
  );

  test.for([
    { only: ['NODE_EXTRA_CA_CERTS', 'HTTPS_PROXY'], why: 'the variables of Node' },
    { only: ['SSL_CERT_FILE', 'https_proxy'], why: 'the variables of OpenSSL and curl' },
    { only: ['SSL_CERT_FILE', 'HTTP_PROXY'], why: 'without a proxy for https it takes the one for http' },
  ])(
    'REFERENCE 9: $only alone lead it to the gateway and make it trust it: $why',
    { timeout: RUN_MS },
    async ({ only }, context) => {
      await using world = await startClaudeWorld(toolThenText('true'));
      const kept = Object.entries(world.environment).filter(
        ([name]) => !/proxy|cert/i.test(name) || only.includes(name),
      );
      const environment = Object.fromEntries(kept);
      await using agent = runPlan(planFor(cli(context), world, { headlessPrompt: 'do it' }), world, { environment });
      expect(await agent.exit, agent.stderr()).toBe(0);
      expect(agent.stdout().trim()).toBe(DONE);
    },
  );

  test.for(['oauth', 'api_key'])(
    'S7: a first start on a terminal asks nothing (%s)',
    { timeout: RUN_MS },
    async (credential, context) => {
      await using world = await startClaudeWorld(toolThenText('true'));
      const plan = planFor(cli(context), world, { settings: { credential } });
      await using agent = runPlan({ ...plan, argv: [...plan.argv, '--', 'do it'] }, world, { terminal: true });
      expect(
        await agent.until(/The +tool +has +run +and +all +is +done/),
        plainText(agent.stdout()) + agent.stderr(),
      ).toBe(true);
      expect(plainText(agent.stdout())).toMatch(/bypass permissions on/);
      expect(plainText(agent.stdout())).not.toMatch(
        /Yes, I (trust|accept)|Do you want to use this API key|Choose the text style/,
      );
      expect(new Set(world.proxy.asked)).toEqual(new Set(['api.anthropic.com:443']));
    },
  );
});
