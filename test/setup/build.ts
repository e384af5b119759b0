import { build } from '../../scripts/build.ts';
import { ROOT } from '../../scripts/root.ts';
import { endEngine } from '../stand-ins/engine.ts';

/** vitest's global set-up: tests that start real processes start the bundled entries, built from what is tested. */
export default async function setup(): Promise<() => Promise<void>> {
  await endEngine();
  await build(ROOT);
  return endEngine;
}
