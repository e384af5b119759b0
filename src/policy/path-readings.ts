import { LIMITS } from '../kernel/limits.ts';
import { err, ok, type Result } from '../kernel/result.ts';

/**
 * All the ways a server behind us might read a path (SECURITY S22): the steps below in any order, repeated until
 * nothing new appears. A rule holds only if it holds for each of them.
 */
export type PathProblem = 'malformed' | 'too-long' | 'ambiguous';

type Step = (path: string) => string;

const STEPS: readonly Step[] = [
  decodeUnreserved,
  decodeSeparators,
  decodeAll,
  decodeOverlong,
  (path) => path.replaceAll('\\', '/'),
  (path) => path.replace(/\/{2,}/g, '/'),
  cutMatrixParameters,
  removeDotSegments,
];

/** What some step would change, or what makes a path malformed. Most paths have none of it, and then one reading. */
const READ_OTHERWISE = /[%\\;\0\u0080-\uffff]|\/[/.]/;

export function pathReadings(path: string): Result<readonly string[], PathProblem> {
  if (path.startsWith('/') && !READ_OTHERWISE.test(path)) {
    return path.length > LIMITS.pathBytes ? err('too-long') : ok([path]);
  }
  if (!path.startsWith('/') || path.includes('\0') || /%00/i.test(path)) return err('malformed');
  if (/%(?![0-9A-Fa-f]{2})/.test(path)) return err('malformed');
  if (path.length > LIMITS.pathBytes) return err('too-long');
  const readings = new Set([path]);
  let frontier = [path];
  for (let round = 0; frontier.length > 0; round += 1) {
    const fresh: string[] = [];
    for (const known of frontier) {
      for (const step of STEPS) {
        const reading = step(known);
        if (reading.includes('\0')) return err('malformed');
        if (!readings.has(reading)) {
          if (round >= LIMITS.pathReadingRounds || readings.size >= LIMITS.pathReadings) return err('ambiguous');
          readings.add(reading);
          fresh.push(reading);
        }
      }
    }
    frontier = fresh;
  }
  return ok([...readings]);
}

/** RFC 3986 section 2.3: these mean the same escaped or not. */
function decodeUnreserved(path: string): string {
  return decodeWhere(path, (character) => /[A-Za-z0-9._~-]/.test(character));
}

/** Servers that decode before they route see separators in `%2F` and `%5C`. */
function decodeSeparators(path: string): string {
  return decodeWhere(path, (character) => character === '/' || character === '\\' || character === ';');
}

/** One full round of decoding, as a server does that decodes the whole path first; `%25` too, for those that do it twice. */
function decodeAll(path: string): string {
  return decodeWhere(path, () => true);
}

/** `%C0%AF` is no UTF-8, and a slash to decoders that do not check: ASCII spelled in two or three bytes. */
function decodeOverlong(path: string): string {
  return path.replace(/(?:\u00e0[\u0080\u0081]|[\u00c0\u00c1])[\u0080-\u00bf]/g, (sequence) => {
    const [lead, last] = [sequence.charCodeAt(sequence.length - 2), sequence.charCodeAt(sequence.length - 1)];
    return String.fromCharCode(((lead & 1) << 6) | (last & 0x3f));
  });
}

function decodeWhere(path: string, wanted: (character: string) => boolean): string {
  return path.replace(/%([0-9A-Fa-f]{2})/g, (escape, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return wanted(character) ? character : escape;
  });
}

/** `/a;x=1/b` is `/a/b` to servlet containers. */
function cutMatrixParameters(path: string): string {
  return path.replace(/;[^/]*/g, '');
}

/** RFC 3986 section 5.2.4; `..` at the root stays at the root. */
function removeDotSegments(path: string): string {
  const kept: string[] = [];
  const segments = path.split('/').slice(1);
  segments.forEach((segment, index) => {
    const last = index === segments.length - 1;
    if (segment === '..') kept.pop();
    if (segment !== '.' && segment !== '..') kept.push(segment);
    else if (last) kept.push('');
  });
  return `/${kept.join('/')}`;
}
