import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { labelled, mergeFamilies, renderMetrics } from '../../src/protocol/prometheus.ts';
import type { MetricFamily } from '../../src/schema/metrics.ts';
import { readExposition } from './support/exposition.ts';

function gauge(name: string, labels: Readonly<Record<string, string>>, value: number): MetricFamily {
  return { name, help: 'h', type: 'gauge', samples: [{ suffix: '', labels: { ...labels }, value }] };
}

describe('Prometheus text format', () => {
  it('is read back as it was, whatever stands in labels and help', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string(), fc.double({ noNaN: true }), (label, help, value) => {
        fc.pre(!/[\r\u2028\u2029\u0085]/.test(label + help));
        const family: MetricFamily = { ...gauge('a_b', { l: label, m: 'x' }, value), help: `h ${help}` };
        const read = readExposition(renderMetrics([family])).get('a_b');
        expect(read).toEqual({
          type: 'gauge',
          help: `h ${help}`,
          samples: [{ name: 'a_b', labels: { l: label, m: 'x' }, value: Object.is(value, -0) ? 0 : value }],
        });
      }),
    );
  });

  it('keeps the lines of a family together when several bottles tell theirs', () => {
    const one = labelled([gauge('a', {}, 1), gauge('b', { x: 'y' }, 2)], 'bottle', 'web-1');
    const two = labelled([gauge('a', {}, 3)], 'bottle', 'web-2');
    const text = renderMetrics(mergeFamilies([one, two]));
    expect(text).toBe(
      [
        '# HELP a h',
        '# TYPE a gauge',
        'a{bottle="web-1"} 1',
        'a{bottle="web-2"} 3',
        '# HELP b h',
        '# TYPE b gauge',
        'b{bottle="web-1",x="y"} 2',
        '',
      ].join('\n'),
    );
    expect(readExposition(text).get('a')?.samples).toHaveLength(2);
  });

  it('says nothing of a family that has nothing to say', () => {
    expect(renderMetrics([{ name: 'a_total', help: 'h', type: 'counter', samples: [] }])).toBe('');
  });
});

describe('the reader of these tests refuses', () => {
  it.each([
    { why: 'a family in two places', text: '# HELP a h\n# TYPE a gauge\na 1\n# HELP a h\n# TYPE a gauge\na 2\n' },
    { why: 'one series twice', text: '# HELP a h\n# TYPE a gauge\na{x="1"} 1\na{x="1"} 2\n' },
    { why: 'a sample without a type', text: 'a 1\n' },
    { why: 'a raw quote in a label', text: '# HELP a h\n# TYPE a gauge\na{x="1"2"} 1\n' },
    { why: 'a last line without an end', text: '# HELP a h\n# TYPE a gauge\na 1' },
    { why: 'a counter not named so', text: '# HELP a h\n# TYPE a counter\na 1\n' },
    {
      why: 'a histogram whose count is another',
      text: '# HELP a h\n# TYPE a histogram\na_bucket{le="1"} 1\na_bucket{le="+Inf"} 2\na_sum 1\na_count 3\n',
    },
    {
      why: 'a bucket that holds less than the one below',
      text: '# HELP a h\n# TYPE a histogram\na_bucket{le="1"} 3\na_bucket{le="+Inf"} 2\na_sum 1\na_count 2\n',
    },
  ])('$why', ({ text }) => {
    expect(() => readExposition(text)).toThrow();
  });
});
