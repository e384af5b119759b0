import { BottleError, type SourcePosition } from '../kernel/errors.ts';
import { claudeProvider } from './claude/claude.ts';
import { commandProvider } from './command.ts';
import type { Provider } from './provider.ts';

export type {
  InstalledCli,
  InstallHost,
  Provider,
  ProviderSettings,
  ProvisionCheck,
  ProvisionInput,
  ProvisionPlan,
} from './provider.ts';
export { verifyProvision } from './verify.ts';
export { claudeProvider, commandProvider };

/** Templates that the manifest knows and this version can't run yet. */
const PLANNED_TEMPLATES: readonly string[] = ['codex', 'pi'];

/** The provider of `agent_provider.template`. `command` is what `run` uses; no manifest names it. */
export function providerFor(template: string, position: SourcePosition | null = null): Provider {
  if (template === claudeProvider.template) return claudeProvider;
  const at = { key: 'agent_provider.template', ...(position === null ? {} : { position }) };
  if (PLANNED_TEMPLATES.includes(template)) {
    throw new BottleError('feature_missing', {
      ...at,
      message: `the provider "${template}" is not built yet`,
      hint: 'template: claude',
    });
  }
  throw new BottleError('manifest_invalid', {
    ...at,
    message: `there is no provider "${template}"; there is: ${claudeProvider.template}`,
    hint: 'template: claude',
  });
}
