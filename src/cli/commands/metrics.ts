import { BottleError } from '../../kernel/errors.ts';
import { openMetricsListener } from '../../launch/metrics-listener.ts';
import { labelled, mergeFamilies, renderMetrics } from '../../protocol/prometheus.ts';
import { MetricsSchema, type MetricFamily } from '../../schema/metrics.ts';
import { findBottle, listBottles } from '../../state/bottles.ts';
import { openControl } from '../bottle-control.ts';
import type { CliContext } from '../context.ts';
import { MetricsOptionsSchema } from '../options.ts';
import { untilStopped } from '../until-stopped.ts';

/** The metrics of bottles that run, each sample labelled with its bottle; with `--listen` for a Prometheus to fetch. */
export async function metrics(
  context: CliContext,
  ids: readonly string[],
  raw: Record<string, unknown>,
): Promise<number> {
  const { listen, json } = MetricsOptionsSchema.parse(raw);
  if (listen === undefined) {
    const families = await collectMetrics(context, ids);
    context.terminal.result(json ? JSON.stringify(families) : renderMetrics(families).trimEnd());
    return 0;
  }
  await using listener = await openMetricsListener(listen, async () =>
    renderMetrics(await collectMetrics(context, ids)),
  );
  context.terminal.result(JSON.stringify({ metrics: listener.url }));
  await untilStopped(context);
  return 0;
}

/** Of those that are named, or of all that run at this moment. */
export async function collectMetrics(context: CliContext, ids: readonly string[]): Promise<readonly MetricFamily[]> {
  const bottles = listBottles(context.paths);
  const named = ids.map((id) => findBottle(bottles, id));
  const ended = named.find(({ state }) => state !== 'live');
  if (ended !== undefined) {
    throw new BottleError('bottle_not_found', {
      message: `${ended.slug} is not running (${ended.state})`,
      hint: `bot-bottle logs ${ended.slug}`,
    });
  }
  const slugs = (ids.length === 0 ? bottles.filter(({ state }) => state === 'live') : named).map(({ slug }) => slug);
  const groups = await Promise.all(slugs.map((slug) => ofBottle(context, slug, { mayBeGone: ids.length === 0 })));
  return mergeFamilies(groups);
}

async function ofBottle(
  context: CliContext,
  slug: string,
  { mayBeGone }: { readonly mayBeGone: boolean },
): Promise<readonly MetricFamily[]> {
  try {
    using client = await openControl(context.paths, slug);
    return labelled(await client.call('metrics', MetricsSchema), 'bottle', slug);
  } catch (failure) {
    // One that starts or ends at this moment has nothing to tell, and the others have.
    if (mayBeGone && failure instanceof BottleError) return [];
    throw failure;
  }
}
