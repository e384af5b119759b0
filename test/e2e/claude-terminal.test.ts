import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { InstalledCli } from '../../src/providers/index.ts';
import { managedClaude, provideCli } from '../stand-ins/claude-cli.ts';
import { startMessagesApi, type MessagesApi } from '../stand-ins/messages-api.ts';
import { createTestCa } from '../stand-ins/test-ca.ts';
import { Terminal, TMUX } from './support/terminal.ts';
import { World } from './support/world.ts';

/** A person at the real Claude Code, on a real terminal, in a real bottle, with a stand-in for api.anthropic.com. */
const CLI = `${process.execPath} ${path.resolve('dist/cli.js')}`;
const FETCH_MS = 15 * 60_000;
const RUN_MS = 120_000;
const SCREEN_MS = 45_000;

let found: InstalledCli | { readonly missing: string };

beforeAll(async () => {
  found = await managedClaude();
}, FETCH_MS);

function operatorWith(cli: InstalledCli, caCertificate: string, api: MessagesApi): World {
  const world = new World();
  const caFile = path.join(world.home, 'upstream-ca.pem');
  fs.writeFileSync(caFile, caCertificate);
  world.settings(`upstream:
  extra_ca: [${caFile}]
  resolve:
    "api.anthropic.com:443": "127.0.0.1:${String(api.port)}"
`);
  world.bottle('claude', 'agent_provider: {template: claude, auth_token: CLAUDE_TOKEN}');
  world.agent('worker', 'bottle: claude', 'You work at a terminal.');
  provideCli(cli, world.home);
  return world;
}

describe.skipIf(TMUX === null)('claude on a terminal', () => {
  it(
    'G-SECRET takes a task as typed, shows the answer, and leaves with its exit code; the token stays outside',
    { timeout: RUN_MS },
    async (context) => {
      if ('missing' in found) return context.skip(`Claude Code can't be fetched here: ${found.missing}`);
      const token = `sk-ant-oat01-${randomBytes(48).toString('base64url')}`;
      const ca = createTestCa();
      await using api = await startMessagesApi({
        tls: ca.issue(['api.anthropic.com']),
        turn: () => ({ kind: 'text', text: 'The lighthouse is green.' }),
      });
      using world = operatorWith(found, ca.certificate, api);
      using terminal = new Terminal(world, `${CLI} start worker --cwd; echo code=$?; sleep 60`, {
        CLAUDE_TOKEN: token,
      });
      await terminal.sees(/Start\? \[y\/N\]/, SCREEN_MS);
      terminal.enter('y');
      await terminal.sees(/❯|bypass permissions/, SCREEN_MS);
      terminal.type('Which colour has the lighthouse?');
      await terminal.sees(/Which colour has the lighthouse\?/, SCREEN_MS);
      terminal.key('Enter');
      await terminal.sees(/The lighthouse is green\./, SCREEN_MS);
      terminal.type('/exit');
      await terminal.sees(/\/exit/, SCREEN_MS);
      terminal.key('Enter');
      const end = await terminal.sees(/code=\d+/, SCREEN_MS);
      expect(end).toMatch(/worker-\w+ ended \(exit 0\) after \d+ s · \d+ requests? allowed/);
      expect(end).toContain('code=0');
      expect(terminal.modes()).toMatchObject({ alternate: '0', cursor: '1', mouse: '0' });

      const asked = api.requests.filter(({ body }) => body.includes('Which colour has the lighthouse?'));
      expect(asked.length).toBeGreaterThan(0);
      for (const { headers } of asked) expect(headers['authorization']).toEqual([`Bearer ${token}`]);
      expect(terminal.history()).not.toContain(token.slice(0, 24));
    },
  );
});
