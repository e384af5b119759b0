import { joinOperatorRules } from '../dlp/operator-rules.ts';
import { BottleError } from '../kernel/errors.ts';
import { ok } from '../kernel/result.ts';
import { compilePolicy } from '../policy/compile.ts';
import type { GatewayConfig } from '../schema/gateway-config.ts';
import type { LivePolicy } from './core.ts';

/** A config as the gateway goes by it, or a `config_invalid` error: a bad one never replaces a good one. */
export function compileLive(config: GatewayConfig): LivePolicy {
  const policy = compilePolicy(config);
  const rules = config.rules === undefined ? ok(null) : joinOperatorRules([], config.rules);
  if (!rules.ok) throw new BottleError('config_invalid', { message: `the operator's rules: ${rules.error}` });
  if (policy.ok) return { config, policy: policy.value };
  throw new BottleError('config_invalid', { message: `the policy does not compile: ${policy.error.join('; ')}` });
}
