import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { gitUse, type GitUse } from '../../src/policy/git.ts';
import { pathReadings, type PathProblem } from '../../src/policy/path-readings.ts';

function useOf(path: string, query = ''): GitUse | PathProblem {
  const readings = pathReadings(path);
  return readings.ok ? gitUse(readings.value, query) : readings.error;
}

const encodeAll = (text: string): string =>
  Array.from(text, (character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');
const deeper = (text: string): string => text.replaceAll('%', '%25');

/** Spellings of a name or value that some server reads as the plain one. */
const SPELLINGS: readonly { how: string; spell: (text: string) => string }[] = [
  { how: 'as it is', spell: (text) => text },
  { how: 'capitals', spell: (text) => text.toUpperCase() },
  { how: 'one capital', spell: (text) => text.charAt(0).toUpperCase() + text.slice(1) },
  { how: 'escaped', spell: encodeAll },
  { how: 'escaped in capitals', spell: (text) => encodeAll(text.toUpperCase()).toUpperCase() },
  { how: 'escaped twice', spell: (text) => deeper(encodeAll(text)) },
  { how: 'escaped four times', spell: (text) => deeper(deeper(deeper(encodeAll(text)))) },
  { how: 'one letter escaped', spell: (text) => text.replace('e', '%65') },
  { how: 'one letter as %u', spell: (text) => text.replace('e', '%u0065') },
  { how: 'space before, as plus', spell: (text) => `+${text}` },
  { how: 'space behind', spell: (text) => `${text}%20` },
  { how: 'NUL behind', spell: (text) => `${text}%00` },
  { how: 'tab before', spell: (text) => `%09${text}` },
];
/** Ways to place a pair `service=value` in a query. */
const FRAMES: readonly { how: string; frame: (name: string, value: string) => string }[] = [
  { how: 'alone', frame: (name, value) => `${name}=${value}` },
  { how: 'escaped equals', frame: (name, value) => `${name}%3D${value}` },
  { how: 'after another', frame: (name, value) => `a=1&${name}=${value}` },
  { how: 'before a fetch', frame: (name, value) => `${name}=${value}&service=git-upload-pack` },
  { how: 'after a fetch', frame: (name, value) => `service=git-upload-pack&${name}=${value}` },
  { how: 'after a semicolon', frame: (name, value) => `a=1;${name}=${value}` },
  { how: 'after an escaped ampersand', frame: (name, value) => `a=1%26${name}=${value}` },
  { how: 'after a second question mark', frame: (name, value) => `a=1?${name}=${value}` },
  { how: 'as a list', frame: (name, value) => `${name}[]=${value}` },
  { how: 'as a list, escaped', frame: (name, value) => `${name}%5B%5D=${value}` },
  { how: 'as an indexed list', frame: (name, value) => `${name}[0]=${value}` },
  { how: 'as a map', frame: (name, value) => `${name}[a][b]=${value}` },
  { how: 'fragment behind', frame: (name, value) => `${name}=${value}#x` },
  { how: 'escaped fragment behind', frame: (name, value) => `${name}=${value}%23x` },
  { how: 'double quotes', frame: (name, value) => `${name}="${value}"` },
  { how: 'escaped quotes', frame: (name, value) => `${name}=%22${value}%22` },
  { how: 'single quotes', frame: (name, value) => `${name}='${value}'` },
  { how: 'joined by a comma', frame: (name, value) => `${name}=git-upload-pack,${value}` },
  { how: 'empty pairs around', frame: (name, value) => `&&${name}=${value}&&` },
];
const PUSH_QUERIES = FRAMES.flatMap(({ how, frame }) => [
  ...SPELLINGS.map((name) => ({
    how: `${how}, value ${name.how}`,
    query: frame('service', name.spell('git-receive-pack')),
  })),
  ...SPELLINGS.filter(({ how: spelled }) => !spelled.includes('behind')).map((name) => ({
    how: `${how}, name ${name.how}`,
    query: frame(name.spell('service'), 'git-receive-pack'),
  })),
]);

describe('H14 a push in the query is a push in every spelling', () => {
  it.each(PUSH_QUERIES)('$how: $query', ({ query }) => {
    expect(useOf('/acme/web.git/info/refs', query)).toBe('push');
  });

  it('deeper than any server decodes is taken for one', () => {
    let query = encodeAll('service=git-receive-pack');
    for (let round = 0; round < 12; round += 1) query = deeper(query);
    expect(useOf('/acme/web.git/info/refs', query)).toBe('push');
  });
});

const PUSH_PATHS: readonly { path: string; why: string }[] = [
  { path: '/acme/web.git/git-receive-pack', why: 'as git sends it' },
  { path: '/acme/web.git/GIT-Receive-Pack', why: 'any letter case' },
  { path: '/acme/web.git/git-receive-pack/', why: 'a slash behind' },
  { path: '/acme/web.git/git-receive-pack/x', why: 'path info behind' },
  { path: '/acme/web.git/git-receive-pack//', why: 'slashes behind' },
  { path: '/acme/web.git//git-receive-pack', why: 'slashes before' },
  { path: '/acme/web.git/./git-receive-pack', why: 'a dot segment' },
  { path: '/acme/web.git/x/../git-receive-pack', why: 'a step back' },
  { path: '/acme/web.git/git-receive-pack/x/..', why: 'a step back behind' },
  { path: '/acme/web.git/git%2Dreceive%2Dpack', why: 'escaped dashes' },
  { path: '/acme/web.git/git%252Dreceive%252Dpack', why: 'escaped twice' },
  { path: `/acme/web.git/${encodeAll('git-receive-pack')}`, why: 'escaped whole' },
  { path: '/acme/web.git%2Fgit-receive-pack', why: 'an escaped slash' },
  { path: '/acme/web.git%5Cgit-receive-pack', why: 'an escaped backslash' },
  { path: '/acme/web.git\\git-receive-pack', why: 'a backslash' },
  { path: '/acme/web.git/git-receive-pack;x=1', why: 'a matrix parameter' },
  { path: '/acme/web.git/git-receive-pack%3Bx', why: 'an escaped matrix parameter' },
  { path: '/acme/web.git/git-receive-pack%3Fx', why: 'an escaped question mark' },
  { path: '/acme/web.git/git-receive-pack%23x', why: 'an escaped fragment' },
  { path: '/acme/web.git/git-receive-pack%20', why: 'a space behind' },
  { path: '/acme/web.git/%20git-receive-pack', why: 'a space before' },
  { path: '/acme/web.git/git-receive-pack%2e', why: 'a dot behind, which some file systems drop' },
  { path: '/acme/web.git/info/refs%3Fservice=git-receive-pack', why: 'the query escaped into the path' },
  { path: '/acme/web.git/info/refs;service=git-receive-pack', why: 'the parameter as a matrix parameter' },
];

describe('H14 a push in the path is a push under every reading', () => {
  it.each(PUSH_PATHS)('$path: $why', ({ path }) => {
    expect(useOf(path)).toBe('push');
  });
});

const OTHERS: readonly { path: string; query: string; use: GitUse; why: string }[] = [
  { path: '/acme/web.git/info/refs', query: 'service=git-upload-pack', use: 'fetch', why: 'as git asks' },
  { path: '/acme/web.git/info/refs', query: 'SERVICE=Git-Upload-Pack', use: 'fetch', why: 'any letter case' },
  { path: '/acme/web.git/info/refs', query: 'service%3Dgit-upload-pack', use: 'fetch', why: 'escaped equals' },
  { path: '/acme/web.git/git-upload-pack', query: '', use: 'fetch', why: 'the second request' },
  { path: '/acme/web.git/git-upload-archive', query: '', use: 'fetch', why: 'an archive is a fetch' },
  { path: '/search', query: 'q=git-receive-pack', use: 'none', why: 'a word in another parameter' },
  { path: '/search', query: 'q=how+does+git-receive-pack+work', use: 'none', why: 'a question' },
  { path: '/x', query: 'service=git-receive-packs', use: 'none', why: 'a longer word' },
  { path: '/x', query: 'service=my-git-receive-pack', use: 'none', why: 'a longer word' },
  { path: '/x', query: 'microservice=git-receive-pack', use: 'none', why: 'another name' },
  { path: '/x', query: 'service_name=git-receive-pack', use: 'none', why: 'another name' },
  { path: '/x', query: 'service', use: 'none', why: 'no value' },
  { path: '/about-git-receive-pack', query: '', use: 'none', why: 'a part of a segment' },
  { path: '/git-receive-pack-notes', query: '', use: 'none', why: 'a part of a segment' },
  { path: '/x', query: 'a=100%25', use: 'none', why: 'an escaped percent sign settles' },
  { path: '/x', query: 'a=%zz', use: 'none', why: 'a broken escape is no push' },
];

describe('H14 fetches and everything else', () => {
  it.each(OTHERS)('$path?$query is $use: $why', ({ path, query, use }) => {
    expect(useOf(path, query)).toBe(use);
  });

  it('any letters escaped, at any depth, stay a push', () => {
    const escapes = fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 24, maxLength: 24 });
    fc.assert(
      fc.property(escapes, (depths) => {
        const query = Array.from('service=git-receive-pack', (character, index) => {
          let spelled = character;
          for (let depth = 0; depth < (depths[index] ?? 0); depth += 1) {
            spelled = depth === 0 ? encodeAll(spelled) : deeper(spelled);
          }
          return spelled;
        }).join('');
        expect(useOf('/r/info/refs', query)).toBe('push');
      }),
    );
  });
});
