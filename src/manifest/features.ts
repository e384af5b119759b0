import { BottleError } from '../kernel/errors.ts';
import { entriesOf, keyPathText, keyPattern, type KeyPath, type Located, type LocatedEntry } from './located.ts';

/**
 * What the reference names and this version can't do yet. Such a key is refused where it stands, never ignored; when
 * its feature is built, its row is deleted.
 */
interface NotBuilt {
  /** `[]` stands for every index. */
  readonly key: string;
  /** Only these values; all when absent. */
  readonly values?: readonly (string | boolean)[];
  /** All values but these. */
  readonly except?: readonly (string | boolean)[];
  /** What to write instead; without it the key is to be removed. */
  readonly instead?: string;
}

export const BOTTLE_NOT_BUILT: readonly NotBuilt[] = [
  { key: 'budget' },
  { key: 'agent_provider.template', except: ['claude'], instead: 'template: claude' },
  { key: 'agent_provider.dockerfile' },
  { key: 'agent_provider.forward_host_credentials', values: [true], instead: 'auth_token: CLAUDE_TOKEN' },
  { key: 'egress.model_tools' },
  {
    key: 'egress.routes[].dlp.outbound_detectors[]',
    except: ['token_patterns', 'known_secrets'],
    instead: 'outbound_detectors: [token_patterns, known_secrets]',
  },
  { key: 'egress.routes[].dlp.outbound_on_match', except: ['block'], instead: 'outbound_on_match: block' },
  {
    key: 'egress.routes[].dlp.inbound_detectors[]',
    except: ['prompt_injection', 'naive_injection_detection'],
    instead: 'inbound_detectors: [prompt_injection]',
  },
];

export const AGENT_NOT_BUILT: readonly NotBuilt[] = [{ key: 'skills' }];

export const SETTINGS_NOT_BUILT: readonly NotBuilt[] = [{ key: 'supervise.hold_s' }, { key: 'budgets' }];

/** Throws for the first use, in the order of the file, of something that isn't built. */
export function refuseNotBuilt(tree: Located, table: readonly NotBuilt[]): void {
  for (const { path, entry } of entriesOf(tree)) {
    const row = table.find((candidate) => candidate.key === keyPattern(path) && isUsed(candidate, entry));
    if (row === undefined) continue;
    const whole = row.values === undefined && row.except === undefined;
    throw new BottleError('feature_missing', {
      message: `${nameOf(path, entry, whole)} is not built yet; ${row.instead === undefined ? 'remove it' : 'write instead'}`,
      key: keyPathText(path),
      position: whole ? entry.keyAt : entry.node.at,
      ...(row.instead === undefined ? {} : { hint: row.instead }),
    });
  }
}

/** `"budget"`, `"supervise: true"`, `"token_patterns"`: the key, the key's value, or the list's item. */
function nameOf(path: KeyPath, { node }: LocatedEntry, whole: boolean): string {
  const value = node.kind === 'scalar' ? String(node.value) : '';
  const key = path.at(-1) ?? '';
  if (typeof key === 'number') return `"${value}"`;
  return whole ? `"${key}"` : `"${key}: ${value}"`;
}

function isUsed(row: NotBuilt, { node }: LocatedEntry): boolean {
  if (row.values === undefined && row.except === undefined) return true;
  const value = node.kind === 'scalar' ? node.value : null;
  const isIn = (list: readonly (string | boolean)[]): boolean => list.some((item) => item === value);
  return row.values === undefined ? !isIn(row.except ?? []) : isIn(row.values);
}
