/**
 * Bundles each entry into one self-contained file of `dist/`: a sandbox mounts just that file and the node binary. No
 * two files share a part, so that one of an earlier build and one of a later never meet; and each says which build it is
 * of, so that a launch can see that all it uses are of its own (`src/platform/assets.ts`).
 */
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { rolldown } from 'rolldown';
import { BUILD_MARK } from '../src/platform/assets.ts';
import { ENTRIES } from './entries.ts';
import { ROOT } from './root.ts';
import { thirdPartyNotices } from './third-party.ts';

const NOTICES = 'THIRD-PARTY.txt';

/** Builds into `<root>/dist`. Each file is replaced by a rename, so whoever runs or builds meanwhile sees whole files. */
export async function build(root: string): Promise<readonly string[]> {
  fs.mkdirSync(path.join(root, 'dist'), { recursive: true });
  fs.mkdirSync(path.join(root, '.cache'), { recursive: true });
  const scratch = fs.mkdtempSync(path.join(root, '.cache', 'build-'));
  try {
    const names: string[] = [];
    const moduleIds: string[] = [];
    const failures: string[] = [];
    for (const [name, source] of Object.entries(ENTRIES)) {
      try {
        const bundled = await bundle(root, source, scratch, name);
        moduleIds.push(...bundled.moduleIds);
        names.push(name);
      } catch (failure) {
        failures.push(`dist/${name} from ${source}: ${failure instanceof Error ? failure.message : String(failure)}`);
      }
    }
    if (failures.length > 0) throw new Error(`these entries can't be built\n${failures.join('\n\n')}`);
    sign(scratch, names);
    fs.writeFileSync(path.join(scratch, NOTICES), thirdPartyNotices(moduleIds));
    // The entry that asks for others comes last, and then goes what an earlier build had more.
    const files = [...names.toReversed(), NOTICES];
    for (const name of files) fs.renameSync(path.join(scratch, name), path.join(root, 'dist', name));
    for (const name of fs.readdirSync(path.join(root, 'dist')))
      if (!files.includes(name)) fs.rmSync(path.join(root, 'dist', name), { force: true });
    return names;
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

/** Left for the program to load when it runs: another entry, by its name in `dist/`. */
const LATER: Readonly<Record<string, string>> = {
  './command-line.ts': './cli-command-line.js',
  '../inbox-screen.ts': './cli-inbox.js',
};

/** The same for the same program, whoever builds it. */
function sign(directory: string, names: readonly string[]): void {
  const hash = crypto.createHash('sha256');
  for (const name of names) hash.update(fs.readFileSync(path.join(directory, name)));
  const id = hash.digest('hex').slice(0, BUILD_MARK.length);
  for (const name of names) {
    const file = path.join(directory, name);
    fs.writeFileSync(file, `${fs.readFileSync(file, 'latin1').replaceAll(BUILD_MARK, id)}//${id}\n`, 'latin1');
  }
}

interface Bundled {
  readonly moduleIds: readonly string[];
}

async function bundle(root: string, source: string, directory: string, name: string): Promise<Bundled> {
  await using bundler = await rolldown({
    cwd: root,
    input: source,
    platform: 'node',
    plugins: [
      {
        name: 'later',
        resolveId: (from, importer) => {
          const id = importer === undefined ? undefined : LATER[from];
          return id === undefined ? null : { id, external: true };
        },
      },
    ],
    resolve: { alias: { 'react-devtools-core': path.join(ROOT, 'scripts/no-devtools.ts') } },
    // React has two builds in one, and Ink looks whether it is being developed itself.
    transform: { target: 'node24', define: { 'process.env.NODE_ENV': '"production"' } },
    onLog: (level, log) => {
      if (level === 'warn') throw new Error(`${source}: ${log.message}`);
    },
  });
  const { output } = await bundler.write({
    dir: directory,
    entryFileNames: name,
    format: 'esm',
    codeSplitting: false,
    sourcemap: false,
    comments: { legal: true },
    // Names stay, for stack traces; white space is a quarter of what each process would hold.
    minify: { compress: false, mangle: false, codegen: { removeWhitespace: true } },
  });
  const chunks = output.filter((part) => part.type === 'chunk');
  for (const { fileName, code } of chunks) fs.writeFileSync(path.join(directory, fileName), inAscii(code, fileName));
  const files = output.map(({ fileName }) => fileName);
  if (files.length > 1) throw new Error(`${source} does not fit in one file: ${files.join(', ')}`);
  const foreign = chunks
    .flatMap(({ imports, dynamicImports }) => [...imports, ...dynamicImports])
    .filter((from) => !from.startsWith('node:') && !files.includes(from) && !Object.values(LATER).includes(from));
  if (foreign.length > 0) throw new Error(`${source} would still import ${foreign.join(', ')} when it runs`);
  return { moduleIds: chunks.flatMap(({ moduleIds }) => moduleIds) };
}

/**
 * The same program without a character beyond ASCII: V8 keeps a source that has one in twice the memory, several times
 * over. An escape means the same everywhere but in a raw template, so none may have such a character.
 */
function inAscii(code: string, fileName: string): string {
  const raw = /\braw`[^`]*[^\u0000-\u007f][^`]*`/.exec(code);
  if (raw !== null) throw new Error(`${fileName}: a raw template with more than ASCII: ${raw[0]}`);

  return code.replaceAll(/[^\u0000-\u007f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

if (import.meta.main) {
  try {
    const started = performance.now();
    const names = await build(ROOT);
    process.stdout.write(`dist/ ${names.join(' ')}  ${((performance.now() - started) / 1000).toFixed(1)} s\n`);
  } catch (failure) {
    process.stderr.write(`build: ${failure instanceof Error ? failure.message : String(failure)}\n`);
    process.exitCode = 1;
  }
}
