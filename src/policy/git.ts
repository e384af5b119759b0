/**
 * Git over HTTPS (REFERENCE 5.4, HOTSPOTS H14). Pushing that way would go round the git gate, so every spelling of it
 * is recognised: the query is decoded to a fixed point before it is split, and split at every separator that some
 * server knows.
 */
export type GitUse = 'push' | 'fetch' | 'none';

const DECODING_ROUNDS = 6;

export function gitUse(readings: readonly string[], query: string): GitUse {
  const services = queryServices(query);
  if (services.has('git-receive-pack') || readings.some((path) => endsWithService(path, 'git-receive-pack')))
    return 'push';
  if (services.has('git-upload-pack') || readings.some((path) => endsWithService(path, 'git-upload-pack')))
    return 'fetch';
  return 'none';
}

function endsWithService(path: string, service: string): boolean {
  return path.toLowerCase().replace(/\/+$/, '').endsWith(`/${service}`);
}

/** Values of every `service` parameter under every depth of decoding. */
function queryServices(query: string): ReadonlySet<string> {
  const found = new Set<string>();
  let text = query;
  for (let round = 0; round < DECODING_ROUNDS; round += 1) {
    for (const pair of text.split(/[&;?]/)) {
      const [, name, value] = /^([^=]*)=(.*)$/s.exec(pair) ?? [];
      if (name !== undefined && value !== undefined && /^service(\[\])?$/i.test(name.trim())) {
        found.add(value.trim().toLowerCase());
      }
    }
    const decoded = decodeOnce(text);
    if (decoded === text) break;
    text = decoded;
  }
  return found;
}

/** `+` is a space in queries; broken escapes stay as they are. */
function decodeOnce(text: string): string {
  return text
    .replaceAll('+', ' ')
    .replace(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replaceAll('\0', '');
}
