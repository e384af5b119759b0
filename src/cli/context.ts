import type { HeldProgram } from '../platform/assets.ts';
import type { SecretSource } from '../ports/secret-source.ts';
import type { HomePaths } from '../state/paths.ts';
import type { AllocateUid } from '../launch/bottle.ts';
import type { Manifests } from '../manifest/index.ts';
import type { Settings } from '../schema/settings.ts';
import type { Terminal } from './terminal.ts';

/** Tells a launcher to end its bottle in order, but with no time for the agent (`stop --now`). */
export const HURRY_SIGNAL = 'SIGUSR2';

/** What a command may touch of the world; made once in `main.ts`, the only reader of the process's environment. */
export interface CliContext {
  readonly cwd: string;
  readonly operatorHome: string;
  readonly userName: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly paths: HomePaths;
  readonly terminal: Terminal;
  readonly secrets: SecretSource;
  /** Opened when first asked for: most commands need neither. */
  readonly manifests: () => Manifests;
  readonly settings: () => Settings;
  /** The files beside this one, taken hold of when first asked for; begins anew if they are just being replaced. */
  readonly program: () => HeldProgram;
  readonly signalProcess: (pid: number, signal: NodeJS.Signals) => void;
  /** Under root: a host uid for each process of ours that meets hostile bytes (SECURITY S5, S6b). */
  readonly allocateUid: AllocateUid | null;
  /** Somebody can be asked: standard input and error are a terminal. */
  readonly interactive: boolean;
  /** Standard output is a terminal too. */
  readonly outputIsTerminal: boolean;
  /** Aborts when the operator asks to stop: once in order; a second time kills. */
  readonly stopRequested: AbortSignal;
  /** Aborts when the agent is to get no time for its end (`stop --now`). */
  readonly hurryRequested: AbortSignal;
}
