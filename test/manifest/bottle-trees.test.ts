import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  explainJson,
  openManifests,
  originOf,
  type EffectiveBottle,
  type Manifests,
} from '../../src/manifest/index.ts';
import { keyPathText, leavesOf, plainOf } from '../../src/manifest/located.ts';
import type { Files } from '../../src/ports/files.ts';
import { SeededRandom } from '../fuzz/random.ts';
import { HOME, memoryFiles, PROJECT } from './support.ts';
import { naiveMerge, naiveOrder, type ModelBottle } from './support/naive-merge.ts';
import { writeFile, type Written, type WrittenMap } from './support/yaml-writer.ts';

/** Random trees of bottle files, loaded as the commands load them, against a model that knows nothing of the loader. */
const word = fc.constantFrom('', 'x', 'plain', 'two words', "it's", 'a: b', '# no comment', 'ünïcödé 😀', 'true', '7');
const token = fc.constantFrom('TOKEN_A', 'TOKEN_B');
const partial = (fields: Readonly<Record<string, fc.Arbitrary<Written>>>): fc.Arbitrary<WrittenMap> =>
  fc.record(fields, { requiredKeys: [] }).map((value) => value as WrittenMap);

const envEntry = fc.oneof(
  word,
  fc.constantFrom('?', '?which one', '${HOST_A}'),
  fc.record({ host: token, secret: fc.boolean() }, { requiredKeys: ['host'] }),
);
const hosts = fc.constantFrom('a.example', 'A.example', 'a.example.', 'b.example', '*.example', 'a.example:8443');
const sameHost = (host: string): string => host.toLowerCase().replace(/\.$/, '');
const route = fc.record(
  {
    host: hosts,
    git: fc.record({ fetch: fc.boolean() }),
    auth: fc.record({ scheme: fc.constantFrom('Bearer', 'token'), token_ref: token }),
    matches: fc.array(fc.record({ methods: fc.subarray(['GET', 'POST'], { minLength: 1 }) }), {
      minLength: 1,
      maxLength: 2,
    }),
  },
  { requiredKeys: ['host'] },
);
const content: fc.Arbitrary<WrittenMap> = partial({
  description: word,
  env: fc.dictionary(fc.constantFrom('A', 'B', 'C', 'D'), envEntry, { maxKeys: 4 }),
  agent_provider: partial({ template: fc.constant('claude'), auth_token: token }),
  'git-gate': partial({ user: partial({ name: word, email: word }) }),
  egress: partial({
    log: fc.constantFrom(0, 1, 2),
    routes: fc.uniqueArray(route, { maxLength: 4, selector: ({ host }) => sameHost(host) }),
  }),
  supervise: fc.constant(false),
  workspace: partial({ mode: fc.constantFrom('copy', 'clone', 'none') }).map((mode) => ({ mode: 'copy', ...mode })),
  resources: partial({
    cpus: fc.constantFrom(1, 2.5),
    memory: fc.constantFrom('1GiB', '512 MiB'),
    strict: fc.boolean(),
  }),
  mounts: fc.uniqueArray(fc.record({ path: fc.constantFrom('/opt/a', '/opt/b', '/opt/c') }), {
    maxLength: 3,
    selector: ({ path }) => path,
  }),
  debug: fc.boolean(),
});

interface Grown {
  readonly bottles: ReadonlyMap<string, ModelBottle>;
  readonly texts: ReadonlyMap<string, string>;
}

/** Each may extend those before it, so that there are diamonds and no circles. */
const forest: fc.Arbitrary<Grown> = fc
  .array(fc.record({ content, parents: fc.array(fc.nat(9), { maxLength: 3 }), style: fc.nat(), at: fc.nat(20) }), {
    minLength: 1,
    maxLength: 7,
  })
  .map((seeds) => {
    const bottles = new Map<string, ModelBottle>();
    const texts = new Map<string, string>();
    seeds.forEach((seed, index) => {
      const name = `b${String(index)}`;
      const parents = [...new Set(index === 0 ? [] : seed.parents.map((parent) => `b${String(parent % index)}`))];
      const entries = Object.entries(seed.content);
      const [only] = parents;
      const named = parents.length === 1 && seed.style % 2 === 0 && only !== undefined ? only : parents;
      if (parents.length > 0) entries.splice(seed.at % (entries.length + 1), 0, ['extends', named]);
      const { text, places } = writeFile(Object.fromEntries(entries), seed.style);
      bottles.set(name, { name, parents, content: seed.content, file: `bottles/${name}.md`, places });
      texts.set(`${HOME}/bottles/${name}.md`, text);
    });
    return { bottles, texts };
  });

const picks = fc.array(fc.nat(9), { minLength: 1, maxLength: 3 });

function picked({ bottles }: Grown, numbers: readonly number[]): readonly string[] {
  return [...new Set(numbers.map((number) => `b${String(number % bottles.size)}`))];
}

function opened(files: Readonly<Record<string, string>>, around = (own: Files): Files => own): Manifests {
  return openManifests({ home: HOME, cwd: PROJECT, files: around(memoryFiles({ files })) });
}

/** `value at file:line:column`, by path: what `info` and the preflight show. */
function shownOf(bottle: EffectiveBottle): ReadonlyMap<string, string> {
  return new Map(
    leavesOf(bottle.manifest).map(({ path, node }) => [
      path.join('/'),
      `${JSON.stringify(plainOf(node))} at ${node.at.file}:${String(node.at.line)}:${String(node.at.column)}`,
    ]),
  );
}

const sorted = (leaves: ReadonlyMap<string, string>): readonly (readonly [string, string])[] =>
  [...leaves].filter(([path]) => path !== '').sort(([left], [right]) => (left < right ? -1 : 1));

describe('any tree of bottles, loaded as it is written', () => {
  test('gives what a plain model of the rules gives, each value with its file, line and column', () => {
    fc.assert(
      fc.property(forest, picks, (grown, numbers) => {
        const names = picked(grown, numbers);
        const order = naiveOrder(names, grown.bottles);
        const effective = opened(Object.fromEntries(grown.texts)).loadEffective(names);
        expect(effective.lineage).toEqual(order.toReversed());
        const model = naiveMerge(order.flatMap((name) => grown.bottles.get(name) ?? []));
        expect(sorted(shownOf(effective))).toEqual(sorted(model));
      }),
      { numRuns: 600 },
    );
  });

  test('every origin that is told points at the text that gave the value', () => {
    fc.assert(
      fc.property(forest, picks, (grown, numbers) => {
        const effective = opened(Object.fromEntries(grown.texts)).loadEffective(picked(grown, numbers));
        const textAt = ({ file, line, column }: ReturnType<typeof originOf>): string => {
          const text = grown.texts.get(`${HOME}/${file}`) ?? '';
          return text.split(/\r?\n/)[line - 1]?.slice(column - 1) ?? '';
        };
        const { origins } = explainJson(effective);
        for (const { path, node } of leavesOf(effective.manifest)) {
          if (path.length === 0) continue;
          const origin = originOf(effective, path);
          expect(origins[keyPathText(path)]).toEqual(origin);
          expect(startsWith(textAt(origin), plainOf(node)), `${keyPathText(path)}: ${textAt(origin)}`).toBe(true);
        }
        for (const [name, { origin }] of Object.entries(effective.env)) {
          expect(origin).toEqual(originOf(effective, ['env', name]));
        }
        effective.egress.routes.forEach(({ route: { host }, origin }, index) => {
          expect(origin).toEqual(originOf(effective, ['egress', 'routes', index]));
          expect(startsWith(textAt(originOf(effective, ['egress', 'routes', index, 'host'])), host)).toBe(true);
        });
      }),
      { numRuns: 300 },
    );
  });

  test('is the same twice, in any order of files and of what was loaded before', () => {
    fc.assert(
      fc.property(forest, picks, fc.nat(), fc.array(fc.nat(9)), (grown, numbers, seed, before) => {
        const names = picked(grown, numbers);
        const files = Object.fromEntries(grown.texts);
        const once = opened(files).loadEffective(names);
        expect(opened(files).loadEffective(names)).toEqual(once);
        const shuffled = opened(files, (own) => ({ ...own, list: (place) => shuffle(own.list(place), seed) }));
        for (const number of before) shuffled.loadEffective(picked(grown, [number]));
        expect(shuffled.loadEffective(names)).toEqual(once);
        expect(shuffled.loadEffective(names)).toEqual(once);
      }),
      { numRuns: 200 },
    );
  });

  test('bottles picked together are associative: a file that only extends some of them stands for them', () => {
    fc.assert(
      fc.property(forest, fc.array(fc.nat(9), { minLength: 3, maxLength: 5 }), fc.nat(), (grown, numbers, cut) => {
        const names = picked(grown, numbers);
        const at = 1 + (cut % Math.max(1, names.length - 1));
        const [low, high] = [names.slice(0, at), names.slice(at)];
        const files = Object.fromEntries(grown.texts);
        const group = (members: readonly string[]): string => `---\nextends: [${members.join(', ')}]\n---\n`;
        const manifests = opened({
          ...files,
          [`${HOME}/bottles/low.md`]: group(low),
          ...(high.length === 0 ? {} : { [`${HOME}/bottles/high.md`]: group(high) }),
        });
        const together = manifests.loadEffective(names);
        const left = manifests.loadEffective(['low', ...high]);
        const right = manifests.loadEffective(high.length === 0 ? low : [...low, 'high']);
        for (const grouped of [left, right]) {
          expect(sorted(shownOf(grouped))).toEqual(sorted(shownOf(together)));
          expect(grouped.env).toEqual(together.env);
          expect(grouped.egress).toEqual(together.egress);
          expect(grouped.notices).toEqual(together.notices);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("an agent's git identity lies over the bottles', field by field, and nothing else of theirs changes", () => {
    fc.assert(
      fc.property(forest, picks, partial({ name: word, email: word }), fc.nat(), (grown, numbers, user, style) => {
        const names = picked(grown, numbers);
        const { text, places } = writeFile({ model: 'opus', 'git-gate': { user } }, style);
        const manifests = opened({ ...Object.fromEntries(grown.texts), [`${HOME}/agents/rev.md`]: text });
        const effective = manifests.loadForAgent(manifests.loadAgent('rev'), names);
        const overlay: ModelBottle = {
          name: 'rev',
          parents: [],
          content: { 'git-gate': { user } },
          file: 'agents/rev.md',
          places,
        };
        const order = naiveOrder(names, grown.bottles).flatMap((name) => grown.bottles.get(name) ?? []);
        expect(sorted(shownOf(effective))).toEqual(sorted(naiveMerge([...order, overlay])));
        const { name = '', email = '' } = effective.gitUser;
        const told = shownOf(effective);
        expect(told.get('git-gate/user/name')?.startsWith(`${JSON.stringify(name)} at `) ?? name === '').toBe(true);
        expect(told.get('git-gate/user/email')?.startsWith(`${JSON.stringify(email)} at `) ?? email === '').toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});

/** Plain, quoted either way, or an empty collection. */
function startsWith(text: string, value: unknown): boolean {
  if (typeof value === 'string') {
    return [value === '' ? null : value, JSON.stringify(value), `'${value.replaceAll("'", "''")}'`].some(
      (form) => form !== null && text.startsWith(form),
    );
  }
  return text.startsWith(JSON.stringify(value));
}

function shuffle<Item>(items: readonly Item[] | null, seed: number): readonly Item[] | null {
  if (items === null) return null;
  const random = new SeededRandom(seed);
  const left = [...items];
  return items.flatMap(() => left.splice(random.below(left.length), 1));
}
