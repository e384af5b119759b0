import { assertNever } from '../kernel/assert-never.ts';
import type { Header } from '../schema/header.ts';
import type { Placeholder, Route, RouteAuth } from '../schema/route.ts';
import { headerKey, splitTarget, stripCredentials } from './credentials.ts';
import { findJsonString, parsePointer } from './json-place.ts';

/**
 * Placeholders (SECURITY S9): the bottle holds a random stand-in, and the real value takes its place in the declared
 * place of the declaring route alone, once in a request. Everywhere else a stand-in is a mistake or an attempt, which
 * the scan of what is left finds: `rest` is what was sent without what was swapped.
 */
export interface StandIn {
  readonly env: string;
  readonly standIn: string;
}

/** Headers that servers log, echo or hand on, whatever a manifest says. */
const NEVER_SWAPPED: ReadonlySet<string> = new Set([
  'host', 'cookie', 'user-agent', 'referer', 'origin', 'forwarded', 'via', 'traceparent', 'tracestate', 'baggage',
  'b3', 'uber-trace-id', 'from', 'content-length', 'content-type', 'content-encoding', 'transfer-encoding',
  'connection', 'upgrade', 'te', 'trailer', 'expect', 'proxy-authorization', 'range', 'accept-encoding',
]); // prettier-ignore
const NEVER_SWAPPED_PREFIX =
  /^(?:x-forwarded-|x-b3-|x-amzn-trace|x-cloud-trace|x-datadog-|x-ot-|sec-|x-request-id$|x-correlation-id$)/;

/** Why no stand-in can be declared for that place, or null. */
function placeProblem({ in: kind, name }: Placeholder): string | null {
  switch (kind) {
    case 'header': {
      const key = headerKey(name);
      if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) return `${name} is not the name of a header`;
      const banned = NEVER_SWAPPED.has(key) || NEVER_SWAPPED_PREFIX.test(key);
      return banned ? `a secret never goes into the header ${name}, which others log or hand on` : null;
    }
    case 'json':
      return parsePointer(name) === null ? `${name} is not a JSON pointer such as /auth/token` : null;
    case 'path':
      return /^[1-9]\d?$/.test(name) ? null : `${name} is not the number of a path segment, counted from 1`;
    case 'query':
    case 'form':
      return null;
    default:
      return assertNever(kind);
  }
}

/** What a real value would break in its place, or null: found at the start, not at the first request. */
export function placeValueProblem(kind: Placeholder['in'], value: string): string | null {
  switch (kind) {
    case 'header':
      return value.trim() === value && /^[ -~]*$/.test(value) ? null : 'has a character that no header can carry';
    case 'path':
      // Some servers decode a path before they split it: a value must be one segment in every reading.
      return /^[A-Za-z0-9._~:-]+$/.test(value) && !/^\.{1,2}$/.test(value)
        ? null
        : 'has a character that could end a path segment';
    default:
      return null;
  }
}

/** What is wrong with the `placeholders` of a route, before anything runs. */
export function placeholderProblems({ auth, placeholders }: Pick<Route, 'auth' | 'placeholders'>): readonly string[] {
  return (placeholders ?? []).flatMap((place) => {
    const problem = placeProblem(place);
    if (problem !== null) return [`placeholders: ${problem}`];
    const taken = auth !== undefined && withoutCredentials(place, auth);
    return taken ? [`placeholders: auth takes away what the agent sends in ${place.in} ${place.name}`] : [];
  });
}

/** Whether `auth` of the same route would take the stand-in away before it could be swapped. */
function withoutCredentials(place: Placeholder, auth: RouteAuth): boolean {
  if (place.in === 'header') {
    return stripCredentials({ target: '/', headers: [[place.name, 'x']] }, auth).headers.length === 0;
  }
  if (place.in !== 'query') return false;
  return stripCredentials({ target: `/?${encodeURIComponent(place.name)}=x`, headers: [] }, auth).target === '/';
}

/** The request without what stands in declared places: the rest is the agent's own. */
export function withoutPlaces(
  places: readonly Placeholder[],
  headers: readonly Header[],
  query: string,
): { readonly headers: readonly Header[]; readonly query: string } {
  if (places.length === 0) return { headers, query };
  const named = (kind: Placeholder['in'], name: string | null): boolean =>
    places.some((place) => place.in === kind && (kind === 'header' ? headerKey(place.name) : place.name) === name);
  return {
    headers: headers.filter(([name]) => !named('header', headerKey(name))),
    query: splitPairs(query)
      .filter((pair) => !named('query', decodeOnce(pair.replace(/^[&;]/, '').split('=', 1)[0] ?? '', true)))
      .join(''),
  };
}

/** The declared header or parameter in which something else stands than what was swapped; `rest` has nothing there then. */
export function occupiedPlace(
  places: readonly Placeholder[],
  rest: { readonly target: string; readonly headers: readonly Header[] },
): Placeholder | undefined {
  const pairs = splitPairs(splitTarget(rest.target).query ?? '').map((piece) => {
    const [name = '', ...value] = piece.replace(/^[&;]/, '').split('=');
    return { name: decodeOnce(name, true), value: value.join('=') };
  });
  return places.find(({ in: kind, name }) => {
    if (kind === 'query') return pairs.some((pair) => pair.name === name && pair.value !== '');
    if (kind !== 'header') return false;
    return rest.headers.some(([field, value]) => headerKey(field) === headerKey(name) && value !== '');
  });
}

export interface Swap {
  readonly env: string;
  /** For records and refusals: `header authorization`. */
  readonly place: string;
}

export interface PlacedHead {
  readonly swaps: readonly Swap[];
  /** With the real values in: never logged, only sent. */
  readonly target: string;
  readonly headers: readonly Header[];
  /** The same with nothing at all where something was swapped: what the scan looks at. */
  readonly rest: { readonly target: string; readonly headers: readonly Header[] };
}

/** A place in a body: what goes there, and what stands there for the scan. Positions are characters of its text. */
export interface BodySwap {
  readonly start: number;
  readonly end: number;
  /** The real value, written as the body has it: never logged, only sent. */
  readonly value: string;
  readonly rest: string;
}

interface Cursor {
  readonly standIns: readonly StandIn[];
  readonly valueOf: (env: string) => string;
  /** Shared by head and body: each value goes into a request once. */
  readonly used: Set<string>;
}

/** One request's swapping, head first and then the body. `valueOf` is called for what is swapped and nothing else. */
export class Placement {
  readonly #rules: readonly Placeholder[];
  readonly #cursor: Cursor;

  constructor(rules: readonly Placeholder[], standIns: readonly StandIn[], valueOf: (env: string) => string) {
    this.#rules = rules;
    this.#cursor = { standIns, valueOf, used: new Set() };
  }

  /** Names of the values that went in so far. */
  get used(): ReadonlySet<string> {
    return this.#cursor.used;
  }

  head(target: string, headers: readonly Header[]): PlacedHead {
    const swaps: Swap[] = [];
    const { path, query } = splitTarget(target);
    const pieces = { path: path.split('/'), query: query === null ? [] : splitPairs(query) };
    const rest = { path: [...pieces.path], query: [...pieces.query] };
    const sent: Header[] = [...headers];
    const left: Header[] = [...headers];
    for (const rule of this.#rules) {
      const place = `${rule.in} ${rule.name}`;
      switch (rule.in) {
        case 'header':
          headers.forEach(([name, value], index) => {
            const swapped = headerKey(name) === headerKey(rule.name) ? this.#swapWord(rule.env, value) : null;
            if (swapped === null) return;
            sent[index] = [name, swapped];
            left[index] = [name, ''];
            swaps.push({ env: rule.env, place });
          });
          break;
        case 'query':
          pieces.query.forEach((pair, index) => {
            const swapped = this.#swapPair(rule, pair);
            if (swapped === null) return;
            pieces.query[index] = swapped;
            rest.query[index] = swapped.slice(0, swapped.indexOf('=') + 1);
            swaps.push({ env: rule.env, place });
          });
          break;
        case 'path': {
          // The first piece is what stands before the first slash.
          const index = Number(rule.name);
          const segment = pieces.path[index];
          if (segment === undefined || !this.#isStandIn(rule.env, decodeOnce(segment, false))) break;
          pieces.path[index] = encodeURIComponent(this.#take(rule.env));
          rest.path[index] = '';
          swaps.push({ env: rule.env, place });
          break;
        }
        default:
          break;
      }
    }
    return {
      swaps,
      target: joinTarget(pieces.path, query === null ? null : pieces.query),
      headers: sent,
      rest: { target: joinTarget(rest.path, query === null ? null : rest.query), headers: left },
    };
  }

  /** Whether a body of that content type has to be held, because something in it may have to be swapped. */
  wantsBody(contentType: string): 'form' | 'json' | null {
    const kind = bodyKind(contentType);
    return kind !== null && this.#rules.some((rule) => rule.in === kind) ? kind : null;
  }

  /** What is swapped in a body; nothing where it can't be read in one way only. */
  body(kind: 'form' | 'json', text: string): readonly BodySwap[] {
    return kind === 'form' ? this.#form(text) : this.#json(text);
  }

  #form(text: string): readonly BodySwap[] {
    const swaps: BodySwap[] = [];
    for (const rule of this.#rules.filter(({ in: kind }) => kind === 'form')) {
      let start = 0;
      for (const pair of splitPairs(text)) {
        const swapped = this.#swapPair(rule, pair);
        const end = start + pair.length;
        if (swapped !== null)
          swaps.push({ start, end, value: swapped, rest: swapped.slice(0, swapped.indexOf('=') + 1) });
        start = end;
      }
    }
    return inOrder(swaps);
  }

  #json(text: string): readonly BodySwap[] {
    const swaps: BodySwap[] = [];
    for (const rule of this.#rules.filter(({ in: kind }) => kind === 'json')) {
      const found = findJsonString(text, parsePointer(rule.name) ?? []);
      // What is no clear JSON is not swapped; a stand-in in it is found by the scan of the rest.
      if (!found.ok || found.value === null) continue;
      const { start, end, value } = found.value;
      const swapped = this.#swapWord(rule.env, value);
      if (swapped !== null) swaps.push({ start, end, value: JSON.stringify(swapped), rest: '""' });
    }
    return inOrder(swaps);
  }

  /** `name=stand-in`, either of them escaped as the sender likes. The separator before the pair stays. */
  #swapPair(rule: Placeholder, piece: string): string | null {
    const mark = piece.indexOf('=');
    if (mark === -1) return null;
    const name = piece.slice(0, mark).replace(/^[&;]/, '');
    if (decodeOnce(name, true) !== rule.name) return null;
    if (!this.#isStandIn(rule.env, decodeOnce(piece.slice(mark + 1), true))) return null;
    return `${piece.slice(0, mark + 1)}${encodeURIComponent(this.#take(rule.env))}`;
  }

  /** The stand-in as the whole value, or after a scheme word such as `Bearer`. */
  #swapWord(env: string, value: string): string | null {
    const [, scheme = '', word = ''] = /^([A-Za-z][A-Za-z0-9-]{0,31} +)?(\S+)$/.exec(value) ?? [];
    return this.#isStandIn(env, word) ? scheme + this.#take(env) : null;
  }

  #isStandIn(env: string, text: string | null): boolean {
    if (this.#cursor.used.has(env)) return false;
    return this.#cursor.standIns.some((entry) => entry.env === env && entry.standIn === text);
  }

  #take(env: string): string {
    this.#cursor.used.add(env);
    return this.#cursor.valueOf(env);
  }
}

/** Pairs, each with the separator before it, so that joining them gives the text again. */
function splitPairs(text: string): string[] {
  return text.split(/(?=[&;])/);
}

function joinTarget(path: readonly string[], query: readonly string[] | null): string {
  return query === null ? path.join('/') : `${path.join('/')}?${query.join('')}`;
}

function decodeOnce(text: string, plusIsSpace: boolean): string | null {
  try {
    return decodeURIComponent(plusIsSpace ? text.replaceAll('+', ' ') : text);
  } catch (failure) {
    if (failure instanceof URIError) return null;
    throw failure;
  }
}

function bodyKind(contentType: string): 'form' | 'json' | null {
  const type = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
  if (type === 'application/x-www-form-urlencoded') return 'form';
  return /^application\/(?:[\w.-]+\+)?json$/.test(type) ? 'json' : null;
}

function inOrder(swaps: readonly BodySwap[]): readonly BodySwap[] {
  return swaps.toSorted((left, right) => left.start - right.start);
}

/** What is left of a body for the scan when the swapped places are emptied. */
export function withoutSwaps(text: string, swaps: readonly BodySwap[]): string {
  let result = '';
  let at = 0;
  for (const { start, end, rest } of swaps) {
    result += text.slice(at, start) + rest;
    at = end;
  }
  return result + text.slice(at);
}
