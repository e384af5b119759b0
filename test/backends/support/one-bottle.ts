/** Run as another user by a test: one bottle, proved and used. */
import { startBottle } from './bottle.ts';

await using started = await startBottle();
const proof = await started.prove();
for (const check of proof.checks) if (!check.held) process.stderr.write(`${check.id}: ${check.seen}\n`);
const exit = proof.held
  ? await started.bottle.run({ argv: ['/bin/sh', '-c', 'exit 9'], env: {}, cwd: '/', ownTerminal: false })
  : null;
process.stdout.write(`held ${proof.held}, exit ${exit?.exitCode}\n`);
