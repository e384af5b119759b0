import type { MetricFamily, MetricSample } from '../schema/metrics.ts';

/**
 * Prometheus text exposition format 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format).
 */
export const EXPOSITION_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Families of one name become one: the format wants all lines of a family together. */
export function mergeFamilies(groups: readonly (readonly MetricFamily[])[]): readonly MetricFamily[] {
  const merged = new Map<string, MetricFamily>();
  for (const family of groups.flat()) {
    const known = merged.get(family.name);
    merged.set(
      family.name,
      known === undefined ? family : { ...known, samples: [...known.samples, ...family.samples] },
    );
  }
  return [...merged.values()];
}

export function labelled(families: readonly MetricFamily[], label: string, value: string): readonly MetricFamily[] {
  return families.map((family) => ({
    ...family,
    samples: family.samples.map((sample) => ({ ...sample, labels: { [label]: value, ...sample.labels } })),
  }));
}

export function renderMetrics(families: readonly MetricFamily[]): string {
  return families.map(renderFamily).join('');
}

function renderFamily({ name, help, type, samples }: MetricFamily): string {
  if (samples.length === 0) return '';
  const head = `# HELP ${name} ${escaped(help)}\n# TYPE ${name} ${type}\n`;
  return head + samples.map((sample) => renderSample(name, sample)).join('');
}

function renderSample(name: string, { suffix, labels, value }: MetricSample): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text).replaceAll('"', '\\"')}"`);
  const set = pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
  return `${name}${suffix}${set} ${numberText(value)}\n`;
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

/** As Go writes them, whose notation the format takes. */
function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}
