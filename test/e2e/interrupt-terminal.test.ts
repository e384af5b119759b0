import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { readTextOrNull } from '../../src/platform/processes.ts';
import { pollUntil } from '../../src/launch/readiness.ts';
import { commandIn, CLI, modesChanged, shellWorld, startIn } from './support/shell-world.ts';
import { innermost } from './support/innermost.ts';
import { leftovers, processesIn } from './support/leftovers.ts';
import { TMUX, type Terminal } from './support/terminal.ts';
import type { World } from './support/world.ts';

/** Where the launch stands when the key is pressed, or a moment further on. */
const STEPS = ['state', 'workspace', 'home', 'runtime', 'bottle', 'bottle-process', 'bundle'] as const;

/** Without a notice of Ctrl-C in the agent: one that reached it by mistake would be seen as another exit code. */
const AGENT = 'trap "exit 77" INT; echo the agent runs; sleep 1000 & wait';

async function journaled(world: World, step: string): Promise<void> {
  const wanted = `"step":"${step}"`;
  await expect.poll(() => journals(world).includes(wanted), { timeout: 20_000, interval: 2 }).toBe(true);
}

function journals(world: World): string {
  return world
    .slugs()
    .map((slug) => path.join(world.home, 'state', slug, 'journal.jsonl'))
    .filter((file) => fs.existsSync(file))
    .map((file) => fs.readFileSync(file, 'utf8'))
    .join('');
}

async function endsLike(terminal: Terminal, code: number): Promise<void> {
  const screen = await terminal.sees(/code=\d+/, 20_000);
  expect(screen).toContain(`code=${String(code)}`);
  expect(screen).not.toMatch(/fault of its own|at .*\.js:\d+/);
}

describe.skipIf(TMUX === null)('Ctrl-C while a bottle is made', () => {
  it.each(STEPS)('once, at step "%s": it is undone in order, 130, nothing left', async (step) => {
    using world = shellWorld(AGENT);
    using terminal = startIn(world, 'rev --yes');
    await journaled(world, step);
    terminal.key('C-c');
    await endsLike(terminal, 130);
    expect(terminal.screen()).toContain('cancelled; the agent was not started');
    expect(world.slugs()).toEqual([]);
    expect(leftovers(world)).toEqual([]);
    expect(modesChanged(world, terminal)).toEqual([]);
  });

  it.each(STEPS)('twice in one press, at step "%s": as once, and cleanup finds nothing', async (step) => {
    using world = shellWorld(AGENT);
    using terminal = startIn(world, 'rev --yes');
    await journaled(world, step);
    terminal.key('C-c', 'C-c');
    await endsLike(terminal, 130);
    expect(modesChanged(world, terminal)).toEqual([]);
    const cleaned = await world.run(['cleanup', '--yes']);
    expect(cleaned.code, cleaned.stderr).toBe(0);
    expect(world.slugs()).toEqual([]);
    await expect.poll(() => leftovers(world), { timeout: 10_000 }).toEqual([]);
  });

  it.each([
    { presses: 1, why: 'once: it is undone in order', left: [] },
    { presses: 2, why: 'twice: it ends at once, and cleanup leaves nothing', left: ['hung'] },
  ])('with a gateway that hangs, $why', async ({ presses, left }) => {
    using world = shellWorld(AGENT);
    using terminal = startIn(world, 'rev --yes --label hung');
    await journaled(world, 'bundle');
    const gateway = await pollUntil('the gateway', 20_000, () => gatewayOf(world));
    process.kill(gateway, 'SIGSTOP');
    terminal.key('C-c');
    if (presses === 2) {
      // Sooner, it would be the same press.
      await sleep(200);
      terminal.key('C-c');
    }
    await endsLike(terminal, 130);
    expect(world.slugs()).toEqual(left);
    expect(modesChanged(world, terminal)).toEqual([]);
    const cleaned = await world.run(['cleanup', '--yes']);
    expect(cleaned.code, cleaned.stderr).toBe(0);
    expect(world.slugs()).toEqual([]);
    await expect.poll(() => leftovers(world), { timeout: 10_000 }).toEqual([]);
  });

  it('is heard while a large tree is copied', async () => {
    using world = shellWorld(AGENT);
    for (let at = 0; at < 4_000; at += 1) {
      const directory = path.join(world.project, `d${String(at % 40)}`);
      fs.mkdirSync(directory, { recursive: true });
      fs.writeFileSync(path.join(directory, String(at)), '');
    }
    using terminal = commandIn(world, `${CLI} start rev --yes --cwd`);
    await journaled(world, 'workspace');
    terminal.key('C-c');
    await endsLike(terminal, 130);
    expect(world.slugs()).toEqual([]);
  });
});

/** The innermost process of the gateway's box, once it is there. */
function gatewayOf(world: World): number | null {
  const launcher = processesIn(world).find(({ command }) => command.startsWith(`${CLI} start`))?.pid;
  const found = launcher === undefined ? null : innermost({ pid: launcher }, 'egress');
  // On the way there are programs that only lead to it, which no stop waits for.
  const command = found === null ? null : readTextOrNull(`/proc/${String(found)}/cmdline`);
  return command?.startsWith('/opt/bot-bottle/node\0') === true ? found : null;
}
