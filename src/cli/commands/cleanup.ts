import { BottleError } from '../../kernel/errors.ts';
import { removeContainer } from '../../backends/docker/apply.ts';
import { performCleanup, planCleanup, type CleanupAction, type CleanupFailure } from '../../launch/cleanup.ts';
import { DockerEngine } from '../../platform/docker/engine.ts';
import { listBottles } from '../../state/bottles.ts';
import { confirm } from '../ask.ts';
import type { CliContext } from '../context.ts';

export interface CleanupOptions {
  readonly yes: boolean;
  readonly json: boolean;
  readonly preserved: boolean;
}

/** Shows one plan, asks once, goes on past a failure and says at the end what is left. */
export async function cleanup(context: CliContext, options: CleanupOptions): Promise<number> {
  const plans = planCleanup(context.paths, { preserved: options.preserved });
  const actions = plans.flatMap((plan) => plan.actions);
  if (actions.length === 0) {
    context.terminal.result(options.json ? JSON.stringify({ actions: [], failed: [] }) : 'nothing to clean up');
    return 0;
  }
  if (!options.json) for (const action of actions) context.terminal.say(`  ${describe(action)}`);
  if (!options.json) for (const slug of lost(context, options)) context.terminal.say(lossOf(slug));
  if (!options.yes && !(await confirmed(context, options))) return 1;
  const failures: CleanupFailure[] = [];
  for (const plan of plans) {
    failures.push(
      ...(await performCleanup(context.paths, plan, {
        removeContainer: (engine, container) => removeContainer(new DockerEngine(engine), container),
      })),
    );
  }
  if (options.json) context.terminal.result(JSON.stringify({ actions, failed: failures }));
  else
    context.terminal.result(
      plans.length === 1 ? 'one bottle cleaned up' : `${String(plans.length)} bottles cleaned up`,
    );
  if (failures.length === 0) return 0;
  throw new BottleError('cleanup_incomplete', {
    message: failures.map(({ action, why }) => `${describe(action)}: ${why}`).join('\n'),
    hint: 'bot-bottle cleanup',
  });
}

function describe(action: CleanupAction): string {
  switch (action.kind) {
    case 'kill':
      return `end process ${String(action.pid)} of ${action.slug}`;
    case 'container':
      return `remove container ${action.container} of ${action.slug}`;
    case 'remove':
      return `remove ${action.path}`;
    case 'preserve':
      return `keep the workspace and home of ${action.slug}, mark it preserved`;
  }
}

/** Whose work would go with them. */
function lost({ paths }: CliContext, { preserved }: CleanupOptions): readonly string[] {
  if (!preserved) return [];
  return listBottles(paths).flatMap(({ slug, state }) => (state === 'preserved' ? [slug] : []));
}

const lossOf = (slug: string): string =>
  `  ! the work of ${slug} would be lost; bring it home:  bot-bottle deliver ${slug}`;

async function confirmed(context: CliContext, { preserved }: CleanupOptions): Promise<boolean> {
  if (!context.interactive) {
    const hint = `bot-bottle cleanup ${preserved ? '--preserved ' : ''}--yes`;
    throw new BottleError('usage', { message: 'nobody can be asked here', hint });
  }
  return confirm('Do this?', context.stopRequested);
}
