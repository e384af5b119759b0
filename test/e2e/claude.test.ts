import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { CLAUDE_PLACEHOLDERS } from '../../src/providers/claude/claude.ts';
import type { InstalledCli } from '../../src/providers/index.ts';
import { decodeJson } from '../../src/schema/json.ts';
import { INSIDE } from '../../src/schema/plan.ts';
import { noEngine, testEngine } from '../stand-ins/engine.ts';
import { managedClaude, provideCli } from '../stand-ins/claude-cli.ts';
import { startMessagesApi, type MessagesApi, type Turn } from '../stand-ins/messages-api.ts';
import { createTestCa } from '../stand-ins/test-ca.ts';

/**
 * The real Claude Code in a real bottle, through the real gateway, to a stand-in that it takes for api.anthropic.com.
 * The upstream must see the real token and the bottle only the placeholder.
 */
const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const FETCH_MS = 15 * 60_000;
const RUN_MS = 120_000;

const PLACEHOLDER = CLAUDE_PLACEHOLDERS.oauth;
const AGENT_PROMPT = 'You are the worker of the end-to-end test.';
const TASK = 'Look for your own credential.';

/**
 * Prints who it is and every token-shaped text it can reach: files, its home, and the environment of each process (the
 * CLI takes its credential variable away from the commands it runs, but not from itself).
 */
const SEARCH = [
  'printf "uid %s in %s\\n" "$(id -u)" "$PWD"',
  '{ cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; grep -rhaE "sk-ant" "$HOME" /tmp /var/tmp /etc /run /opt/bot-bottle; }' +
    ' 2>/dev/null | tr "\\000" "\\n" | grep -aoE "sk-ant-[a-z0-9]+-[A-Za-z0-9_-]+" | sort -u | sed "s/^/found /"',
].join('; ');

let found: InstalledCli | { readonly missing: string };

beforeAll(async () => {
  found = await managedClaude();
}, FETCH_MS);

const WALLS = [
  { backend: 'bubblewrap', missing: null, environment: () => Promise.resolve({}) },
  {
    backend: 'docker',
    missing: noEngine(),
    environment: async () => {
      const { socketPath, image } = await testEngine();
      return {
        DOCKER_HOST: `unix://${socketPath}`,
        BOT_BOTTLE_BASE_IMAGE: image,
        BOT_BOTTLE_BACKEND: 'docker',
      };
    },
  },
] as const;

describe.each(WALLS)('claude in a bottle of $backend', ({ backend, missing, environment }) => {
  test(
    'G-SECRET S10 S11: answers stream, a tool runs, the upstream sees the real token and the bottle only the placeholder',
    { timeout: RUN_MS },
    async (context) => {
      if ('missing' in found) return context.skip(`Claude Code can't be fetched here: ${found.missing}`);
      if (missing !== null) return context.skip(missing);
      const walls = await environment();
      const token = `sk-ant-oat01-${randomBytes(48).toString('base64url')}`;
      let release = (): void => undefined;
      const holdAfterFirstDelta = new Promise<void>((resolve) => {
        release = resolve;
      });
      const turn = (results: readonly string[]): Turn =>
        results.length === 0
          ? { kind: 'bash', command: SEARCH }
          : { kind: 'text', text: 'First-word last-word', holdAfterFirstDelta };
      const ca = createTestCa();
      await using api = await startMessagesApi({ tls: ca.issue(['api.anthropic.com']), turn });
      await using operator = prepareOperator(found, ca.certificate, api);

      const start = operator.start(['start', 'worker', '--headless', '--prompt', TASK, '--yes', '--json'], {
        CLAUDE_TOKEN: token,
        ...walls,
      });
      expect(await start.until(/text_delta[^\n]*First-word/), start.output()).toBe(true);
      expect(start.output()).not.toContain('last-word');
      release();
      expect(await start.exit, start.output()).toBe(0);
      expect(start.output()).toContain('last-word');
      expect(resultOf(start.stdout())).toMatchObject({ slug: expect.stringMatching(/^worker-/), exitCode: 0 });

      const [search = ''] = api.toolResults();
      const uid = backend === 'docker' ? String.raw`20\d{5}` : String(INSIDE.uid);
      expect(search).toMatch(new RegExp(`uid ${uid} in ${INSIDE.workspace}`));
      expect(search.match(/^found .*$/gm)).toEqual([`found ${PLACEHOLDER.value}`]);

      const body = api.requests[0]?.body ?? '';
      expect(body).toContain(AGENT_PROMPT);
      expect(body).toContain(TASK);
      for (const request of api.requests) {
        expect(request.method).toBe('POST');
        expect(request.path).toMatch(/^\/v1\/messages(\/count_tokens)?(\?|$)/);
        expect(request.headers['authorization']).toEqual([`Bearer ${token}`]);
        expect(request.headers['x-api-key']).toBeUndefined();
        expect(request.body).not.toContain(token);
        expect(JSON.stringify(request.headers)).not.toContain(PLACEHOLDER.value);
      }
      expect(start.output()).not.toContain(token);
      expect(filesThatHold(operator.root, token)).toEqual([]);
    },
  );
});

interface Start {
  readonly stdout: () => string;
  /** Both streams as they came. */
  readonly output: () => string;
  readonly until: (pattern: RegExp) => Promise<boolean>;
  readonly exit: Promise<number | null>;
}

interface Operator extends AsyncDisposable {
  /** Holds the operator's home and the bot-bottle home. */
  readonly root: string;
  readonly start: (argv: readonly string[], environment: Readonly<Record<string, string>>) => Start;
}

/** A host with one bottle, one agent, settings that lead the API to the stand-in, and the CLI already fetched. */
function prepareOperator(cli: InstalledCli, caCertificate: string, api: MessagesApi): Operator {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'claude-e2e-'));
  const home = path.join(root, '.bot-bottle');
  const write = (name: string, text: string): void => {
    fs.mkdirSync(path.dirname(path.join(home, name)), { recursive: true });
    fs.writeFileSync(path.join(home, name), text, { mode: 0o600 });
  };
  write('upstream-ca.pem', caCertificate);
  write(
    'settings.yml',
    `upstream:
  extra_ca: [${path.join(home, 'upstream-ca.pem')}]
  resolve:
    "api.anthropic.com:443": "127.0.0.1:${String(api.port)}"
`,
  );
  write(
    'bottles/claude.md',
    `---
agent_provider:
  template: claude
  auth_token: CLAUDE_TOKEN
  settings:
    output: stream-json
    partial_messages: true
---
The bottle of the end-to-end test.
`,
  );
  write('agents/worker.md', `---\nbottle: claude\n---\n${AGENT_PROMPT}\n`);
  provideCli(cli, home);
  const children = new Set<{ readonly kill: () => void; readonly exit: Promise<number | null> }>();
  return {
    root,
    start: (argv, extra) => {
      const child = spawn(process.execPath, [CLI, ...argv], {
        cwd: root,
        env: { PATH: process.env['PATH'], LANG: 'C.UTF-8', HOME: root, BOT_BOTTLE_HOME: home, ...extra },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let stdout = '';
      let output = '';
      const watchers = new Set<() => void>();
      const collect = (text: string): void => {
        output += text;
        for (const look of watchers) look();
      };
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        stdout += text;
        collect(text);
      });
      child.stderr.setEncoding('utf8').on('data', collect);
      const exit = new Promise<number | null>((resolve) => child.on('close', resolve));
      const until = (pattern: RegExp): Promise<boolean> =>
        new Promise((resolve) => {
          const look = (): void => {
            if (pattern.test(output)) resolve(true);
          };
          watchers.add(look);
          look();
          void exit.then(() => {
            resolve(pattern.test(output));
          });
        });
      children.add({ kill: () => child.kill('SIGTERM'), exit });
      return { stdout: () => stdout, output: () => output, until, exit };
    },
    [Symbol.asyncDispose]: async () => {
      for (const child of children) {
        child.kill();
        await child.exit;
      }
      fs.rmSync(root, { recursive: true, force: true });
    },
  };
}

/** REFERENCE 4: the result is the last line of stdout. */
function resultOf(stdout: string): unknown {
  const decoded = decodeJson(
    z.looseObject({ slug: z.string(), exitCode: z.int() }),
    stdout.trim().split('\n').at(-1) ?? '',
  );
  return decoded.ok ? decoded.value : expect.fail(`${decoded.error}: ${stdout}`);
}

/** Every file of the operator's side that has the text in it: state, records, logs. */
function filesThatHold(root: string, text: string): readonly string[] {
  return fs
    .readdirSync(root, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name !== 'claude')
    .map((entry) => path.join(entry.parentPath, entry.name))
    .filter((file) => fs.readFileSync(file).includes(text));
}
