import { bubblewrapBackend } from '../../backends/bubblewrap/backend.ts';
import { BottleError } from '../../kernel/errors.ts';
import type { Backend } from '../../ports/backend.ts';
import { BACKEND_NAMES, type BackendName } from '../../schema/plan.ts';
import { bottlePaths } from '../../state/paths.ts';
import type { CliContext } from '../context.ts';

/** The flag, then `BOT_BOTTLE_BACKEND`, then settings, then bubblewrap (DESIGN 10). A name is never quietly replaced. */
export function chooseBackend(context: CliContext, flag: BackendName | undefined): Backend {
  const named = flag ?? context.environment['BOT_BOTTLE_BACKEND'] ?? context.settings().backend ?? 'bubblewrap';
  if (named === '') return bubblewrap(context);
  const known = BACKEND_NAMES.find((name) => name === named);
  if (known === undefined) {
    throw new BottleError('backend_unknown', {
      message: `there is no backend "${named}"`,
      hint: `one of: ${BACKEND_NAMES.join(', ')}`,
    });
  }
  if (known === 'bubblewrap') return bubblewrap(context);
  throw new BottleError('feature_missing', {
    message: `the backend ${known} is not built yet`,
    hint: '--backend bubblewrap',
  });
}

export function bubblewrap(context: CliContext): Backend {
  return bubblewrapBackend({ runtimeDirectory: (slug) => bottlePaths(context.paths, slug).runtime });
}
