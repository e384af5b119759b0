import type { Secret } from '../kernel/secret.ts';

/** Where the operator keeps values: asked by name, once, before any backend is called (HOTSPOTS H4). */
export interface SecretSource {
  /** The host's variable, or null when it is not set. */
  hostVariable(name: string): Secret | null;
  /** The answer prepared for a `?` entry in headless mode (`BOT_BOTTLE_SECRET_<NAME>`), or null. */
  preparedAnswer(name: string): Secret | null;
}
