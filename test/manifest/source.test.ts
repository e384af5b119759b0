import { describe, expect, test } from 'vitest';
import { openManifests, type Manifests } from '../../src/manifest/index.ts';
import { splitFrontMatter } from '../../src/manifest/frontmatter.ts';
import { complaint, HOME, memoryFiles, OPERATOR, PROJECT, type Tree } from './support.ts';

const PROJECT_AGENTS = `${PROJECT}/.bot-bottle/agents`;
const EMPTY = '---\n---\n';

function open(tree: Tree, cwd = PROJECT): { manifests: Manifests; reads: readonly string[] } {
  const files = memoryFiles(tree);
  return { manifests: openManifests({ home: HOME, cwd, files }), reads: files.reads };
}

describe('where manifests lie', () => {
  test('G-REPO bottles of a project are never read and never listed; one warning says so', () => {
    const { manifests, reads } = open({
      files: {
        [`${HOME}/bottles/acme.md`]: EMPTY,
        [`${PROJECT}/.bot-bottle/bottles/acme.md`]: '---\nenv: {A: b}\n---\n',
        [`${PROJECT}/.bot-bottle/bottles/evil.md`]: '---\nmounts: [{path: /}]\n---\n',
      },
    });
    expect(manifests.listBottles().map(({ name }) => name)).toEqual(['acme']);
    expect(manifests.warnings).toEqual(['./.bot-bottle/bottles is not read: bottles come from your own home only']);
    expect(manifests.loadEffective(['acme']).env).toEqual({});
    expect(complaint(() => manifests.loadEffective(['evil']))).toContain('there is no bottle "evil"');
    expect(reads).toEqual([`${HOME}/bottles/acme.md`]);
  });

  test('G-REPO parents come from the home too', () => {
    const { manifests } = open({
      files: {
        [`${HOME}/bottles/acme.md`]: '---\nextends: base\n---\n',
        [`${PROJECT}/.bot-bottle/bottles/base.md`]: EMPTY,
      },
    });
    expect(complaint(() => manifests.loadEffective(['acme']))).toBe(`manifest_not_found
bottles/acme.md:2:10  extends
  there is no bottle "base"
  there is: acme
  reached by extends: acme → base
      bot-bottle list available`);
  });

  test("the home's agent wins over the project's of the same name, and the shadowed file is named", () => {
    const { manifests } = open({
      files: {
        [`${HOME}/agents/reviewer.md`]: '---\n---\nmine\n',
        [`${PROJECT_AGENTS}/reviewer.md`]: '---\n---\ntheirs\n',
        [`${PROJECT_AGENTS}/builder.md`]: '---\n---\ntheirs too\n',
      },
    });
    expect(manifests.loadAgent('reviewer').prompt).toBe('mine\n');
    expect(manifests.loadAgent('builder')).toMatchObject({ prompt: 'theirs too\n', from: 'project' });
    expect(manifests.listAgents().map(({ name, from }) => [name, from])).toEqual([
      ['builder', 'project'],
      ['reviewer', 'home'],
    ]);
    expect(manifests.warnings).toEqual([
      './.bot-bottle/agents/reviewer.md is not used: your own agents/reviewer.md has the same name',
    ]);
  });

  test("in the operator's home the project is the home: nothing is shadowed or warned about", () => {
    const files = { [`${HOME}/agents/reviewer.md`]: EMPTY, [`${HOME}/bottles/acme.md`]: EMPTY };
    expect(open({ files }, OPERATOR).manifests.warnings).toEqual([]);
    const links = { [`${PROJECT}/.bot-bottle`]: HOME };
    expect(open({ files, links }).manifests.warnings).toEqual([]);
  });

  test('other stems are skipped with a warning, other files silently', () => {
    const { manifests } = open({
      files: {
        [`${HOME}/bottles/acme-2.md`]: EMPTY,
        [`${HOME}/bottles/README.md`]: EMPTY,
        [`${HOME}/bottles/2nd.md`]: EMPTY,
        [`${HOME}/bottles/a b.md`]: EMPTY,
        [`${HOME}/bottles/\u001b[2J.md`]: EMPTY,
        [`${HOME}/bottles/notes.txt`]: EMPTY,
        [`${HOME}/bottles/folder.md/x`]: EMPTY,
      },
    });
    expect(manifests.listBottles().map(({ name }) => name)).toEqual(['acme-2']);
    const why = 'is skipped: a name has small letters, digits and dashes, a letter first';
    expect(manifests.warnings).toEqual([
      `bottles/\\u{1b}[2J.md ${why}`,
      `bottles/2nd.md ${why}`,
      `bottles/README.md ${why}`,
      `bottles/a b.md ${why}`,
      'bottles/folder.md is skipped: it is no file',
    ]);
  });

  test('listing reads no file, and a broken one hurts only who picks it', () => {
    const { manifests, reads } = open({
      files: { [`${HOME}/bottles/good.md`]: EMPTY, [`${HOME}/bottles/broken.md`]: 'no front matter' },
    });
    expect(manifests.listBottles().map(({ name }) => name)).toEqual(['broken', 'good']);
    expect(reads).toEqual([]);
    expect(complaint(() => manifests.loadEffective(['good']))).toBe('no complaint');
    expect(complaint(() => manifests.loadEffective(['broken']))).toContain('bottles/broken.md:1:1');
  });

  test("G-REPO a link of a project can't make one of the operator's files the prompt", () => {
    const files = {
      [`${OPERATOR}/notes/private.md`]: '---\nname: x\n---\nprivate\n',
      [`${PROJECT}/.claude/agents/helper.md`]: '---\nname: helper\n---\nhelp\n',
      [`${OPERATOR}/src/web-other/x.md`]: '---\n---\nnext door\n',
    };
    const links = {
      [`${PROJECT_AGENTS}/thief.md`]: `${OPERATOR}/notes/private.md`,
      [`${PROJECT_AGENTS}/neighbour.md`]: `${OPERATOR}/src/web-other/x.md`,
      [`${PROJECT_AGENTS}/helper.md`]: `${PROJECT}/.claude/agents/helper.md`,
    };
    const { manifests, reads } = open({ files, links });
    expect(complaint(() => manifests.loadAgent('thief'))).toBe(`manifest_invalid
./.bot-bottle/agents/thief.md is a link that leads out of the project`);
    expect(complaint(() => manifests.loadAgent('neighbour'))).toContain('leads out of the project');
    expect(reads).toEqual([]);
    expect(manifests.loadAgent('helper').prompt).toBe('help\n');
  });

  test.each([
    { why: 'in the project', json: `${PROJECT}/bot-bottle.json`, to: `${PROJECT}/.bot-bottle` },
    { why: "in the operator's home", json: `${OPERATOR}/bot-bottle.json`, to: HOME },
  ])('the old form $why says how to move', ({ json, to }) => {
    expect(complaint(() => open({ files: { [json]: '{}' } }))).toBe(`manifest_invalid
${json} is the old form and is not read; bottles and agents are Markdown files in ${to} now
      bot-bottle migrate`);
    expect(complaint(() => open({ files: { [json]: '{}', [`${to}/bottles/a.md`]: EMPTY } }))).toBe('no complaint');
  });
});

describe('front matter', () => {
  test.each([
    { text: '---\na: 1\n---\nBody\n', yaml: 'a: 1\n', body: 'Body\n', why: 'the common form' },
    { text: '---\r\na: 1\r\n---\r\nBody\r\n', yaml: 'a: 1\r\n', body: 'Body\r\n', why: 'CRLF' },
    { text: '\ufeff---\na: 1\n---\n', yaml: 'a: 1\n', body: '', why: 'a byte order mark' },
    { text: '---\n---', yaml: '', body: '', why: 'nothing at all' },
    {
      text: '---  \n---\t\n\n# T\n---\nrule\n',
      yaml: '',
      body: '\n# T\n---\nrule\n',
      why: 'a later rule belongs to the body',
    },
    {
      text: '---\na: |\n  x\n  ---\n---\nB',
      yaml: 'a: |\n  x\n  ---\n',
      body: 'B',
      why: 'an indented line is no fence',
    },
  ])('$why', ({ text, yaml, body }) => {
    expect(splitFrontMatter(text, 'f.md')).toEqual({ yaml, yamlLineOffset: 1, body });
  });

  test.each([
    { text: '', why: 'an empty file' },
    { text: '# Title\n', why: 'Markdown alone' },
    { text: '\n---\na: 1\n---\n', why: 'an empty line first' },
    { text: '----\na: 1\n----\n', why: 'four dashes' },
  ])('without a beginning: $why', ({ text }) => {
    expect(complaint(() => splitFrontMatter(text, 'f.md'))).toBe(`manifest_invalid
f.md:1:1
  the file must begin with a line \`---\`, then YAML, then another line \`---\``);
  });

  test('without an end', () => {
    expect(complaint(() => splitFrontMatter('---\na: 1\n', 'f.md'))).toBe(`manifest_invalid
f.md:1:1
  the YAML that begins here is never closed by a line \`---\``);
  });
});
