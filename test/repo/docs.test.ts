import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ROOT } from '../../scripts/root.ts';
import { loadSettings, openManifests } from '../../src/manifest/index.ts';
import { hostFiles } from '../../src/platform/files.ts';
import { createBottleCa } from '../../src/platform/tls-ca.ts';
import { systemClock } from '../../src/platform/clock.ts';

const DOCUMENTS = fs
  .globSync(['*.md', 'docs/**/*.md'], { cwd: ROOT })
  .sort()
  .map((file) => ({ file, text: fs.readFileSync(path.join(ROOT, file), 'utf8') }));

interface Block {
  readonly file: string;
  readonly line: number;
  readonly language: string;
  readonly text: string;
}

const BLOCKS: readonly Block[] = DOCUMENTS.flatMap(({ file, text }) =>
  [...text.matchAll(/^```(?<language>\w*)\n(?<text>[\s\S]*?)^```$/gm)].map((match) => ({
    file,
    line: text.slice(0, match.index).split('\n').length,
    language: match.groups?.['language'] ?? '',
    text: match.groups?.['text'] ?? '',
  })),
);

const MANIFESTS = BLOCKS.filter(({ text }) => text.startsWith('---\n'));
const AGENTS = MANIFESTS.filter(({ text }) => /^bottle:/m.test(text));
const BOTTLES = MANIFESTS.filter((block) => !AGENTS.includes(block));

/** A bot-bottle home with one manifest of the documents, and the bottles that it may build on. */
function homeWith(kind: 'bottles' | 'agents', text: string): Disposable & { readonly home: string } {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'bot-bottle-docs-'));
  for (const folder of ['bottles', 'agents']) fs.mkdirSync(path.join(home, folder));
  for (const parent of ['acme', 'claude'])
    fs.writeFileSync(path.join(home, 'bottles', `${parent}.md`), '---\nsupervise: false\n---\n');
  fs.writeFileSync(path.join(home, kind, 'documented.md'), text);
  return {
    home,
    [Symbol.dispose]: () => {
      fs.rmSync(home, { recursive: true, force: true });
    },
  };
}

describe('the manifests in the documents are read by the product', () => {
  it.each(BOTTLES)('bottle at $file:$line', ({ text }) => {
    using scratch = homeWith('bottles', text);
    const manifests = openManifests({ home: scratch.home, cwd: scratch.home, files: hostFiles() });
    expect(manifests.loadEffective(['documented']).names).toContain('documented');
    expect(manifests.warnings).toEqual([]);
  });

  it.each(AGENTS)('agent at $file:$line', ({ text }) => {
    using scratch = homeWith('agents', text);
    const manifests = openManifests({ home: scratch.home, cwd: scratch.home, files: hostFiles() });
    const agent = manifests.loadAgent('documented');
    expect(agent.prompt).not.toBe('');
    expect(manifests.loadForAgent(agent, [agent.bottle?.name ?? '']).names).toEqual([agent.bottle?.name]);
  });

  it.each(BLOCKS.filter(({ language }) => language === 'yaml'))('settings at $file:$line', ({ text }) => {
    using scratch = homeWith('bottles', '---\n---\n');
    const host = hostFiles();
    const pem = createBottleCa(systemClock, 'documents').certificate;
    const files = { ...host, read: (file: string) => (file === '/etc/ssl/acme/root.pem' ? pem : host.read(file)) };
    fs.writeFileSync(path.join(scratch.home, 'settings.yml'), text);
    expect(loadSettings(scratch.home, files).upstream.extraCa).toHaveLength(1);
  });

  it('finds them', () => {
    expect([BOTTLES.length, AGENTS.length].every((count) => count > 1)).toBe(true);
  });
});

describe('the commands in the documents exist', () => {
  const used = BLOCKS.flatMap(({ file, line, text }) =>
    [...text.matchAll(/(?:^|npx |&& )bot-bottle (?<name>[a-z][a-z-]*)/gm)].map((match) => ({
      file,
      line,
      name: match.groups?.['name'] ?? '',
    })),
  );

  it.each(used)('bot-bottle $name at $file:$line', ({ name }) => {
    const { stdout, status } = spawnSync(process.execPath, [path.join(ROOT, 'dist/cli.js'), name, '--help'], {
      encoding: 'utf8',
    });
    expect(status).toBe(0);
    expect(stdout).toContain('Example:');
    expect(stdout).not.toContain('not built yet');
  });

  it('are scripts of package.json where npm runs them', () => {
    const text = fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8');
    const { scripts } = z.object({ scripts: z.record(z.string(), z.string()) }).parse(JSON.parse(text));
    const named = BLOCKS.flatMap(({ text: block }) => [...block.matchAll(/npm run (?<name>[\w:]+)/g)]);
    expect(named.length).toBeGreaterThan(0);
    for (const match of named) expect(Object.keys(scripts)).toContain(match.groups?.['name']);
    const files = Object.values(scripts).flatMap((script) => /^node (\S+)/.exec(script)?.[1] ?? []);
    expect(files.filter((file) => !fs.existsSync(path.join(ROOT, file)))).toEqual([]);
  });

  it('are what CI runs', () => {
    const readme = DOCUMENTS.find(({ file }) => file === 'README.md')?.text ?? '';
    const command = 'npm ci && npm test';
    expect(readme.split('\n')).toContain(command);
    expect(fs.readFileSync(path.join(ROOT, '.ci/run'), 'utf8').trimEnd().split('\n').at(-1)).toBe(command);
  });
});

describe('links between documents lead somewhere', () => {
  const links = DOCUMENTS.flatMap(({ file, text }) =>
    [...text.matchAll(/\]\((?!https?:)(?<target>[^)#\s]+)(?:#(?<anchor>[^)\s]+))?\)/g)].map((match) => ({
      file,
      target: match.groups?.['target'] ?? '',
      anchor: match.groups?.['anchor'],
    })),
  );

  it.each(links)('$file → $target', ({ file, target, anchor }) => {
    const absolute = path.join(ROOT, path.dirname(file), target);
    expect(fs.existsSync(absolute)).toBe(true);
    if (anchor === undefined) return;
    const headings = [...fs.readFileSync(absolute, 'utf8').matchAll(/^#+ (?<text>.+)$/gm)];
    expect(headings.map((match) => match.groups?.['text']?.toLowerCase().replaceAll(' ', '-'))).toContain(anchor);
  });
});
