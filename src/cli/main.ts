import { enableCompileCache } from 'node:module';
import process from 'node:process';
import { codeCacheDirectory } from '../platform/code-cache.ts';
import { homePaths } from '../state/paths.ts';

/**
 * The program's first module, small so that it loads at once: it tells Node where it finds the rest as it was compiled
 * the last time (a fifth of a command's start), and goes on there.
 */
const directory = codeCacheDirectory(homePaths(process.env));
if (directory !== null) enableCompileCache(directory);
await import('./command-line.ts');
