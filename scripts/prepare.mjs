/**
 * npm's `prepare`: builds dist/ after `npm ci` in a clone. Plain JavaScript that an old Node.js can run too, so that
 * what is missing is said in words. A packed tarball holds dist/ and never comes here.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const own = path.join(root, 'node_modules', '.bin', 'node');
const node = existsSync(own) ? own : process.execPath;

if (!existsSync(path.join(root, 'node_modules', 'rolldown'))) {
  process.stderr.write(
    'bot-bottle: dist/ is not built, because development dependencies are left out (npm ci brings them).\n',
  );
} else if (node === process.execPath && Number(process.versions.node.split('.')[0]) < 24) {
  process.stderr.write(
    `bot-bottle needs Node.js 24 or later to build; this is ${process.version}, and the one that npm ci brings along ` +
      'is missing. Run npm ci without --omit=optional.\n',
  );
  process.exitCode = 1;
} else {
  const { status } = spawnSync(node, [path.join(root, 'scripts', 'build.ts')], { stdio: 'inherit' });
  process.exitCode = status ?? 1;
}
