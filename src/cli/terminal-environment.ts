import fs from 'node:fs';
import path from 'node:path';

/**
 * What a program has to know of the terminal that it is shown on. The kind is the operator's own if the bottle, which
 * sees the system's descriptions and not those of a home, can look it up; else the one that all terminals are close to.
 */
export function terminalEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const kind = environment['TERM'] ?? '';
  const colours = environment['COLORTERM'] ?? '';
  return {
    TERM: isDescribed(kind) ? kind : COMMON_KIND,
    ...(COLOUR_DEPTHS.has(colours) ? { COLORTERM: colours } : {}),
  };
}

const COMMON_KIND = 'xterm-256color';
const COLOUR_DEPTHS: ReadonlySet<string> = new Set(['truecolor', '24bit']);
/** Where terminfo(5) is in a bottle: parts of the system that it sees as they are. */
const DESCRIPTIONS = ['/usr/share/terminfo', '/lib/terminfo', '/usr/lib/terminfo'];

function isDescribed(kind: string): boolean {
  if (!/^[A-Za-z0-9][\w.+-]{0,63}$/.test(kind)) return false;
  const initial = kind.charAt(0);
  const folders = [initial, initial.charCodeAt(0).toString(16)];
  return DESCRIPTIONS.some((place) => folders.some((folder) => fs.existsSync(path.join(place, folder, kind))));
}
