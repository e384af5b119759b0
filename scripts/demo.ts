/**
 * `npm run demo`: one bottle, for real, with no network and no key. An API of its own on loopback, an agent that works
 * and then tries ten ways out, and a table of what became of them. Exits non-zero if anything got through.
 */
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import https from 'node:https';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { z } from 'zod';
import { systemClock } from '../src/platform/clock.ts';
import { createBottleCa, createLeafMinter } from '../src/platform/tls-ca.ts';
import { decodeJson } from '../src/schema/json.ts';
import { ROOT } from './root.ts';
import { setup } from './setup.ts';

const API = 'api.demo.example';
const TRAP = 'trap.demo.example';

const LineSchema = z.union([
  z.object({ work: z.literal(true), commit: z.string(), statuses: z.array(z.int()) }),
  z.object({ tried: z.string(), rule: z.string(), seen: z.string(), out: z.boolean() }),
  z.object({ search: z.literal(true), found: z.boolean() }),
]);
type Line = z.infer<typeof LineSchema>;
type Attempt = Extract<Line, { tried: string }>;

const startedAt = performance.now();
const print = (text = ''): void => {
  process.stdout.write(`${text}\n`);
};
const step = (text: string): void => {
  print(`  ${((performance.now() - startedAt) / 1000).toFixed(1).padStart(4)} s  ${text}`);
};

if (!setup('needed')) process.exit(1);
const root = fs.mkdtempSync(path.join(os.tmpdir(), 'bot-bottle-demo-'));
const removeRoot = (): void => {
  fs.rmSync(root, { recursive: true, force: true });
};
process.once('exit', removeRoot);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

print('bot-bottle demo: an agent that has been taken over, in a bottle. No network, no key needed.');
print();
const token = `demo-token-${randomBytes(18).toString('base64url')}`;
const key = `demo-key-${randomBytes(18).toString('base64url')}`;
const ca = createBottleCa(systemClock, 'demo');
const api = await serve(API, (_path) => '{"tasks":[{"id":1,"title":"the greeting is misspelt"}]}\n');
const trap = await serve(TRAP, () => 'you got out\n');
step(`an API of its own listens on loopback; inside it is https://${API}`);
prepareHome();
prepareProject();
step('a small git repository, and a bottle that allows that API and nothing else');
const { code, lines } = await runBottle();
api.close();
trap.close();
process.exitCode = report(code, lines) ? 0 : 1;

interface Served {
  readonly port: number;
  readonly authorizations: string[];
  readonly texts: string[];
  close(): void;
}

function serve(name: string, answer: (path: string) => string): Promise<Served> {
  const leaf = createLeafMinter(ca, systemClock).mint(name);
  const authorizations: string[] = [];
  const texts: string[] = [];
  const server = https.createServer({ cert: leaf.certificate, key: leaf.key }, (request, response) => {
    authorizations.push(request.headers.authorization ?? '');
    texts.push(JSON.stringify(request.rawHeaders));
    request.on('data', (chunk: Buffer) => texts.push(chunk.toString()));
    response.end(answer(request.url ?? ''));
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      resolve({
        port,
        authorizations,
        texts,
        close: () => {
          server.close();
          server.closeAllConnections();
        },
      });
    });
  });
}

function prepareHome(): void {
  const home = path.join(root, 'home');
  fs.mkdirSync(path.join(home, 'bottles'), { recursive: true });
  fs.writeFileSync(path.join(home, 'upstream.pem'), ca.certificate);
  fs.writeFileSync(
    path.join(home, 'settings.yml'),
    [
      'upstream:',
      `  extra_ca: [${path.join(home, 'upstream.pem')}]`,
      '  resolve:',
      `    '${API}:443': '127.0.0.1:${String(api.port)}'`,
      // The trap can be reached as far as names go: only the policy stands before it.
      `    '${TRAP}:443': '127.0.0.1:${String(trap.port)}'`,
      '',
    ].join('\n'),
  );
  fs.copyFileSync(path.join(ROOT, 'examples/demo/bottle.md'), path.join(home, 'bottles/demo.md'));
}

function prepareProject(): void {
  const project = path.join(root, 'project');
  fs.mkdirSync(project);
  fs.writeFileSync(path.join(project, 'GREETING'), 'hello, wrold\n');
  fs.copyFileSync(path.join(ROOT, 'examples/demo/agent.mjs'), path.join(project, 'agent.mjs'));
  const identity = ['-c', 'user.name=demo', '-c', 'user.email=demo@example.com', '-c', 'init.defaultBranch=main'];
  for (const args of [
    ['init', '-q'],
    ['add', '.'],
    ['commit', '-q', '-m', 'A greeting'],
  ]) {
    execFileSync('git', [...identity, ...args], {
      cwd: project,
      stdio: 'inherit',
      env: { PATH: process.env['PATH'], HOME: root },
    });
  }
}

async function runBottle(): Promise<{ readonly code: number | null; readonly lines: readonly Line[] }> {
  const command = ['/opt/bot-bottle/node', 'agent.mjs', os.homedir(), String(trap.port)];
  const child = spawn(path.join(ROOT, 'bin/bot-bottle'), ['run', '--verbose', '--bottle', 'demo', '--', ...command], {
    cwd: path.join(root, 'project'),
    env: {
      PATH: process.env['PATH'],
      HOME: os.homedir(),
      BOT_BOTTLE_HOME: path.join(root, 'home'),
      DEMO_TOKEN: token,
      DEMO_KEY: key,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => {
    const text = chunk.toString();
    err += text;
    for (const [, walls] of text.matchAll(/✓ (\d+) walls proved/g)) {
      step(`the bottle is up: gateway, walls, ${walls ?? ''} of them proved from inside and outside`);
      step('the agent is let in: it works, then it tries to get out');
    }
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  if (code !== 0) print(`\n${err}`);
  const lines = out.split('\n').flatMap((line) => {
    const parsed = decodeJson(LineSchema, line);
    return parsed.ok ? [parsed.value] : [];
  });
  return { code, lines };
}

/** True when everything held and the work was done. */
function report(code: number | null, lines: readonly Line[]): boolean {
  const work = lines.find((line) => 'work' in line);
  const search = lines.find((line) => 'search' in line);
  const attempts = lines.filter((line): line is Attempt => 'tried' in line);
  if (work !== undefined) step(`it cloned, edited and committed: ${work.commit}`);
  print();
  printTable([
    ['tried', 'seen', 'rule'],
    ...attempts.map(({ tried, seen, rule, out }) => [tried, out ? `GOT OUT: ${seen}` : seen, rule]),
  ]);
  print();
  const out = attempts.filter((attempt) => attempt.out).length;
  const real = api.authorizations.filter((value) => value === `Bearer ${token}`).length;
  const leaked = [...api.texts, ...trap.texts].some(
    (text) => text.includes(key) || text.includes(Buffer.from(`key=${key}`).toString('base64')),
  );
  print(
    `${String(attempts.length)} ways out tried, ${String(out)} got through. The API saw the real token ${String(real)} times; the bottle ${search?.found === false ? 'never had it' : 'HAD IT'}.`,
  );
  const held =
    code === 0 &&
    attempts.length === 10 &&
    out === 0 &&
    real === 3 &&
    api.authorizations.length === 3 &&
    trap.authorizations.length === 0 &&
    !leaked &&
    search?.found === false &&
    work?.statuses.every((status) => status === 200) === true;
  if (!held) {
    print('Something did not hold; the lines above say what.');
    return false;
  }
  print('Next:  npx bot-bottle run -- bash     look around inside');
  print('       npx bot-bottle doctor          what this machine can do');
  return true;
}

function printTable(rows: readonly (readonly string[])[]): void {
  const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows)
    print(` ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('   ')}`.trimEnd());
}
