import { BottleError, type SourcePosition } from '../kernel/errors.ts';
import type { LocatedMap } from './located.ts';

/** A bottle file that has been read and checked. */
export interface LoadedBottle {
  readonly name: string;
  /** What it says, without `extends`. */
  readonly tree: LocatedMap;
  readonly parents: readonly ParentReference[];
  readonly warnings: readonly string[];
}
export interface ParentReference {
  readonly name: string;
  readonly at: SourcePosition;
}

/** Reads one bottle; `from` is where it is named, null on the command line. */
export type BottleLoader = (name: string, from: SourcePosition | null) => LoadedBottle;

/**
 * The bottles that make up the named ones, in the order in which they are laid over each other: parents left to right,
 * each before its child, every one once. Whoever is named first stays lower, so a parent never overrides its child.
 */
export function linearise(names: readonly string[], load: BottleLoader): readonly LoadedBottle[] {
  const done = new Map<string, LoadedBottle>();
  for (const name of names) visit({ name, from: null, chain: [] }, load, done);
  return [...done.values()];
}

interface Visit {
  readonly name: string;
  readonly from: SourcePosition | null;
  /** Those whose `extends` led here, the first one first. */
  readonly chain: readonly string[];
}

function visit({ name, from, chain }: Visit, load: BottleLoader, done: Map<string, LoadedBottle>): void {
  if (done.has(name)) return;
  const path = [...chain, name];
  if (chain.includes(name)) throw cycle(path, from);
  const bottle = loadInChain(name, from, chain, load);
  for (const parent of bottle.parents) {
    visit({ name: parent.name, from: parent.at, chain: path }, load, done);
  }
  done.set(name, bottle);
}

/** `path` ends with a name that it holds already. */
function cycle(path: readonly string[], from: SourcePosition | null): BottleError {
  const [last, before] = [path.at(-1) ?? '', path.at(-2)];
  const message = last === before ? `"${last}" extends itself` : `extends goes round in a circle: ${path.join(' → ')}`;
  return new BottleError('manifest_invalid', { message, key: 'extends', ...(from === null ? {} : { position: from }) });
}

/** A fault in a parent is a fault of a file that nobody named: the message says how it was reached. */
function loadInChain(
  name: string,
  from: SourcePosition | null,
  chain: readonly string[],
  load: BottleLoader,
): LoadedBottle {
  if (chain.length === 0) return load(name, from);
  try {
    return load(name, from);
  } catch (failure) {
    if (!(failure instanceof BottleError)) throw failure;
    const { code, message, position, key, hint } = failure;
    throw new BottleError(code, {
      message: `${message}\nreached by extends: ${[...chain, name].join(' → ')}`,
      cause: failure,
      ...(position === undefined ? {} : { position }),
      ...(key === undefined ? {} : { key }),
      ...(hint === undefined ? {} : { hint }),
    });
  }
}
