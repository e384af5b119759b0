import { BottleError } from '../../kernel/errors.ts';
import { Scope } from '../../kernel/scope.ts';
import { openGatewayListener, startGatewayAlone } from '../../launch/gateway-alone.ts';
import { openMetricsListener } from '../../launch/metrics-listener.ts';
import { buildPlan } from '../../launch/plan.ts';
import { resolveSecrets } from '../../launch/secrets.ts';
import { freshSlug } from '../../launch/slug.ts';
import { systemClock } from '../../platform/clock.ts';
import { systemRandom } from '../../platform/random.ts';
import { renderMetrics } from '../../protocol/prometheus.ts';
import type { CliContext } from '../context.ts';
import { GatewayOptionsSchema } from '../options.ts';
import { untilStopped } from '../until-stopped.ts';
import { collectMetrics } from './metrics.ts';
import { gatewayInput } from './prepare.ts';

/** First line on stdout: `{"slug","proxy","ca","control"}`, with `metrics` where asked for; then, if asked, every decision record. Ends on SIGINT or SIGTERM with 0. */
export async function gateway(context: CliContext, raw: Record<string, unknown>): Promise<number> {
  const options = GatewayOptionsSchema.parse(raw);
  if (options.bottle.length === 0)
    throw new BottleError('usage', { message: 'whose routes?', hint: 'bot-bottle gateway --bottle NAME' });
  const program = context.program();
  // Another process binds it; meanwhile the plan is made.
  const listener = openGatewayListener(options.listen, options);
  const bottle = context.manifests().loadEffective(options.bottle);
  const slug = freshSlug('gateway', systemRandom);
  const { plan, secrets } = buildPlan(gatewayInput(context, bottle, slug));
  for (const warning of plan.warnings) context.terminal.say(`! ${warning}`);
  await using running = await startGatewayAlone({
    plan,
    program,
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
  await using scope = new Scope();
  const metrics =
    options.metrics === undefined ? {} : { metrics: await openMetrics(context, slug, options.metrics, scope) };
  const { proxy, ca, control, env } = running;
  const standIns = Object.keys(env).length === 0 ? {} : { env };
  context.terminal.result(JSON.stringify({ slug, proxy, ca, control, ...metrics, ...standIns }));
  if (options.logDecisions) {
    await running.onDecision((record) => {
      context.terminal.result(JSON.stringify(record));
    });
  }
  const ending = await Promise.race([untilStopped(context), running.ended]);
  if (ending === null) return 0;
  throw new BottleError('bundle_ended', { message: `the gateway ended: ${ending.reason}` });
}

async function openMetrics(
  context: CliContext,
  slug: string,
  listen: { readonly host: string; readonly port: number },
  scope: Scope,
): Promise<string> {
  const listener = await openMetricsListener(listen, async () => renderMetrics(await collectMetrics(context, [slug])));
  scope.defer('metrics', async () => listener[Symbol.asyncDispose]());
  return listener.url;
}
