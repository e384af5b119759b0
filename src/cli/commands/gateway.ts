import { BottleError } from '../../kernel/errors.ts';
import { openGatewayListener, startGatewayAlone } from '../../launch/gateway-alone.ts';
import { buildPlan } from '../../launch/plan.ts';
import { resolveSecrets } from '../../launch/secrets.ts';
import { freshSlug } from '../../launch/slug.ts';
import { systemClock } from '../../platform/clock.ts';
import { systemRandom } from '../../platform/random.ts';
import type { CliContext } from '../context.ts';
import { GatewayOptionsSchema } from '../options.ts';
import { gatewayInput } from './prepare.ts';

/** First line on stdout: `{"slug","proxy","ca","control"}`; then, if asked, every decision record. Ends on SIGINT or SIGTERM with 0. */
export async function gateway(context: CliContext, raw: Record<string, unknown>): Promise<number> {
  const options = GatewayOptionsSchema.parse(raw);
  if (options.bottle.length === 0)
    throw new BottleError('usage', { message: 'whose routes?', hint: 'bot-bottle gateway --bottle NAME' });
  // Another process binds it; meanwhile the plan is made.
  const listener = openGatewayListener(options.listen, options);
  const bottle = context.manifests().loadEffective(options.bottle);
  const slug = freshSlug('gateway', systemRandom);
  const { plan, secrets } = buildPlan(gatewayInput(context, bottle, slug));
  for (const warning of plan.warnings) context.terminal.say(`! ${warning}`);
  await using running = await startGatewayAlone({
    plan,
    paths: context.paths,
    values: resolveSecrets(secrets, context.secrets),
    userName: context.userName,
    upstreamLogin: context.settings().upstream.proxy?.login ?? null,
    listener,
    auth: options.auth,
    clock: systemClock,
    random: systemRandom,
    allocateUid: context.allocateUid,
  });
  for (const notice of running.notices) context.terminal.say(`! ${notice}`);
  const { proxy, ca, control, env } = running;
  const standIns = Object.keys(env).length === 0 ? {} : { env };
  context.terminal.result(JSON.stringify({ slug, proxy, ca, control, ...standIns }));
  if (options.logDecisions) {
    await running.onDecision((record) => {
      context.terminal.result(JSON.stringify(record));
    });
  }
  const stopped = new Promise<null>((resolve) => {
    if (context.stopRequested.aborted) resolve(null);
    context.stopRequested.addEventListener('abort', () => {
      resolve(null);
    });
  });
  const ending = await Promise.race([stopped, running.ended]);
  if (ending === null) return 0;
  throw new BottleError('bundle_ended', { message: `the gateway ended: ${ending.reason}` });
}
