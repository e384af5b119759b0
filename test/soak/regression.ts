export interface Sample {
  readonly atMs: number;
  readonly bytes: number;
}

export interface Slope {
  /** Bytes per second, by least squares. */
  readonly bytesPerSecond: number;
  /** What it comes to from the first sample to the last. */
  readonly grownBytes: number;
  /** Growth up to this is noise. */
  readonly boundBytes: number;
  readonly meanBytes: number;
}

/** The part of the mean that counts as noise however quiet the samples are: heaps are collected in strides. */
const LEAST_NOISE = 0.05;
/** Deviations of the samples from their own line. */
const DEVIATIONS = 3;

/** Whether memory grows over time or only goes up and down: the line through the samples, and what is noise around it. */
export function slopeOf(samples: readonly Sample[]): Slope {
  const first = samples[0]?.atMs ?? 0;
  const points = samples.map(({ atMs, bytes }) => [(atMs - first) / 1000, bytes] as const);
  const count = Math.max(points.length, 1);
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / count;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / count;
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const shared = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const bytesPerSecond = spread === 0 ? 0 : shared / spread;
  const residuals = points.map(([x, y]) => y - meanY - bytesPerSecond * (x - meanX));
  const deviation = Math.sqrt(residuals.reduce((sum, each) => sum + each ** 2, 0) / count);
  return {
    bytesPerSecond,
    grownBytes: bytesPerSecond * (points.at(-1)?.[0] ?? 0),
    boundBytes: Math.max(DEVIATIONS * deviation, LEAST_NOISE * meanY),
    meanBytes: meanY,
  };
}
