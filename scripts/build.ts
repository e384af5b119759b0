/** Bundles each entry into one self-contained file of `dist/`: a sandbox mounts just that file and the node binary. */
import fs from 'node:fs';
import path from 'node:path';
import { rolldown } from 'rolldown';
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
        moduleIds.push(...(await bundle(root, source, path.join(scratch, name))));
        names.push(name);
      } catch (failure) {
        failures.push(`dist/${name} from ${source}: ${failure instanceof Error ? failure.message : String(failure)}`);
      }
    }
    if (failures.length > 0) throw new Error(`these entries can't be built\n${failures.join('\n\n')}`);
    fs.writeFileSync(path.join(scratch, NOTICES), thirdPartyNotices(moduleIds));
    for (const name of [...names, NOTICES]) fs.renameSync(path.join(scratch, name), path.join(root, 'dist', name));
    return names;
  } finally {
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

async function bundle(root: string, source: string, file: string): Promise<readonly string[]> {
  await using bundler = await rolldown({
    cwd: root,
    input: source,
    platform: 'node',
    transform: { target: 'node24' },
    onLog: (level, log) => {
      if (level === 'warn') throw new Error(`${source}: ${log.message}`);
    },
  });
  const { output } = await bundler.write({
    file,
    format: 'esm',
    codeSplitting: false,
    sourcemap: false,
    comments: { legal: true },
  });
  const [chunk, ...others] = output;
  if (others.length > 0)
    throw new Error(`${source} does not fit in one file: ${others.map((o) => o.fileName).join(', ')}`);
  const foreign = chunk.imports.filter((name) => !name.startsWith('node:'));
  if (foreign.length > 0) throw new Error(`${source} would still import ${foreign.join(', ')} when it runs`);
  return chunk.moduleIds;
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
