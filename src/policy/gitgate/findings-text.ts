/** What the pusher reads: `remote:` lines, in the order in which somebody mends it. Never a value that was found. */
export interface PushFinding {
  /** The commit that brought it; null where it is not a commit's. */
  readonly commit: string | null;
  /** `config/dev.env:4`, `commit message`, `author`. */
  readonly place: string;
  readonly rule: string;
}

export interface ScanSummary {
  readonly commits: number;
  readonly objects: number;
  readonly seconds: number;
}

/** As many as one screen; the rest is counted. */
const SHOWN = 20;

export function findingLines(findings: readonly PushFinding[]): readonly string[] {
  const shown = findings.slice(0, SHOWN);
  const width = Math.min(60, Math.max(...shown.map(({ place }) => place.length), 0));
  const more = findings.length - shown.length;
  return [
    '',
    ...shown.map(({ commit, place, rule }) =>
      plainLine(`  refused  ${(commit ?? '').slice(0, 7).padEnd(7)} ${place.padEnd(width)}   ${rule}   (redacted)`),
    ),
    ...(more > 0 ? [`  and ${more} more`] : []),
    '',
    adviceFor(findings),
  ];
}

function adviceFor(findings: readonly PushFinding[]): string {
  const first = findings.find(({ commit }) => commit !== null)?.commit;
  if (first === undefined || first === null) return 'Nothing was sent to the upstream. Remove it, then push again.';
  return (
    'Nothing was sent to the upstream. Remove it from every commit ' +
    `(git rebase -i ${first.slice(0, 7)}~), then push again.`
  );
}

export function summaryLine({ commits, objects, seconds }: ScanSummary): string {
  return `bot-bottle scanned ${count(commits, 'commit')}, ${count(objects, 'object')} in ${seconds.toFixed(1)} s`;
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** Ends up on a terminal: what an agent or an upstream wrote does not steer it. */
export function plainLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\u{fffd}').slice(0, 500);
}

/** An upstream's own words, line by line, with a bound on how many. */
export function upstreamLines(text: string): readonly string[] {
  const lines = text.split(/\r\n|\n|\r/).map((line) => plainLine(line.trimEnd()));
  const last = lines.findLastIndex((line) => line !== '');
  return lines.slice(0, last + 1).slice(0, 200);
}
