import fs from 'node:fs';
import path from 'node:path';
import tls from 'node:tls';
import { BottleError } from '../kernel/errors.ts';
import { javaTrustStore } from '../platform/java-trust-store.ts';
import { INSIDE, type BottlePlan } from '../schema/plan.ts';
import type { BottlePaths } from '../state/paths.ts';

/** The bottle's home, as the provider wants it; written before the agent's first instruction, never after (S1). */
export function writeHome(plan: BottlePlan, paths: BottlePaths): void {
  for (const file of plan.files) {
    const relative = path.posix.relative(INSIDE.home, file.path);
    if (relative === '' || relative.startsWith('..')) {
      throw new BottleError('launch_failed', { message: `${file.path} is not below the bottle's home` });
    }
    const target = path.join(paths.home, relative);
    fs.mkdirSync(path.dirname(target), { recursive: true, mode: 0o700 });
    fs.writeFileSync(target, file.content, { mode: file.mode });
  }
}

/**
 * What the bottle trusts: our CA alone, for everything it reaches comes through the gateway. The bundle beside it also
 * holds the public roots, for programs that check the system's store for familiar names.
 */
export function writeTrust(caCertificate: string, paths: BottlePaths): void {
  fs.mkdirSync(paths.ours, { recursive: true, mode: 0o755 });
  const write = (inside: string, content: string | Buffer): void => {
    fs.writeFileSync(path.join(paths.ours, path.posix.basename(inside)), content, { mode: 0o644 });
  };
  write(INSIDE.caFile, caCertificate);
  write(INSIDE.caBundle, [caCertificate, ...tls.rootCertificates].join('\n'));
  write(INSIDE.javaTrustStore, javaTrustStore(caCertificate));
}
