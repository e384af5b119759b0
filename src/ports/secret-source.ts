import type { Secret } from '../kernel/secret.ts';

/** Where the operator keeps values: asked by name, once, before any backend is called (HOTSPOTS H4). */
export interface SecretSource {
  /** The host's variable, or null when it is not set. */
  hostVariable(name: string): Secret | null;
  /** What a file of the operator's holds, `~` put in; null when it can't be read. */
  file(path: string): Secret | null;
  /** The answer prepared for a `?` entry in headless mode (`BOT_BOTTLE_SECRET_<NAME>`), or null. */
  preparedAnswer(name: string): Secret | null;
}
