import { describe, expect, it } from 'vitest';
import { leftovers } from './support/leftovers.ts';
import { World, type CliResult } from './support/world.ts';

const LAUNCHES = 12;

/** Runs a command again and again until told to stop; every answer of it. */
function again(world: World, args: readonly string[]): { stop(): Promise<readonly CliResult[]> } {
  const stopped = new AbortController();
  const ask = async (seen: readonly CliResult[]): Promise<readonly CliResult[]> =>
    stopped.signal.aborted ? seen : ask([...seen, await world.run(args)]);
  const answers = ask([]);
  return {
    stop: () => {
      stopped.abort();
      return answers;
    },
  };
}

describe('H5 launches and others at the same time', () => {
  it(`${String(LAUNCHES)} bottles start beside a cleanup and a list that never rest: none is taken for an orphan, none lost`, async () => {
    using world = new World();
    const cleaning = again(world, ['cleanup', '--yes', '--json']);
    const listing = again(world, ['list', 'active', '--all', '--json']);
    const launches = await Promise.all(
      Array.from({ length: LAUNCHES }, (_, number) =>
        world.run(['run', '--workspace', 'none', '--', 'sh', '-c', `echo ${String(number)}; exit ${String(number)}`]),
      ),
    );
    const cleaned = await cleaning.stop();
    const listed = await listing.stop();
    launches.forEach((launch, number) => {
      expect(launch, launch.stderr).toMatchObject({ code: number, stdout: `${String(number)}\n` });
    });
    for (const { code, stdout, stderr } of cleaned) {
      expect(code, stderr).toBe(0);
      expect(JSON.parse(stdout)).toEqual({ actions: [], failed: [] });
    }
    for (const { code, stdout, stderr } of listed) {
      expect(code, stderr).toBe(0);
      expect(stdout).not.toContain('orphan');
    }
    // All but the first had an exit code of their own, and so are kept.
    expect(world.slugs()).toHaveLength(LAUNCHES - 1);
    expect(leftovers(world)).toEqual([]);
  }, 120_000);
});
