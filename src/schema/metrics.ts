import { z } from 'zod';

/** One line of the exposition: the family's name with a suffix, labels, a number. Infinity is no JSON, and never a value here. */
export const MetricSampleSchema = z.strictObject({
  /** Of a histogram: `_bucket`, `_sum` or `_count`. */
  suffix: z.enum(['', '_bucket', '_sum', '_count']),
  labels: z.record(z.string(), z.string()),
  value: z.number(),
});
export type MetricSample = z.infer<typeof MetricSampleSchema>;

export const MetricFamilySchema = z.strictObject({
  name: z.string(),
  help: z.string(),
  type: z.enum(['counter', 'gauge', 'histogram']),
  samples: z.array(MetricSampleSchema),
});
export type MetricFamily = z.infer<typeof MetricFamilySchema>;

/** What `metrics` on a control socket answers. */
export const MetricsSchema = z.array(MetricFamilySchema);
