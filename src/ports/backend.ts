import type { BackendName, BottlePlan, ListenerRole } from '../schema/plan.ts';
import type { Secret } from '../kernel/secret.ts';
import type { LimitSupport, ReachedLimit } from '../schema/limits.ts';

/** What a backend can enforce. A plan that needs more is refused, never weakened. */
export interface BackendCapabilities {
  readonly name: BackendName;
  /** One line for preflight and doctor: what the wall is made of. */
  readonly wall: string;
  readonly workspaceModes: readonly string[];
  readonly debug: boolean;
}

/** Truthful answer of a machine to "would it work here?"; `why` and `fix` are for people. */
export type BackendProbe =
  | { readonly available: true; readonly why: string }
  | { readonly available: false; readonly why: string; readonly fix: string };

/** A listener that lives in the bottle's network namespace and is held by the launcher as a file descriptor. */
export interface BottleListener {
  readonly role: ListenerRole;
  readonly fd: number;
}

/** The agent, handed over at the very end. Values of `env` may be secret: they travel by pipe, never by argv or file. */
export interface AgentCommand {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | Secret>>;
  readonly cwd: string;
  /** The agent leads a session with a terminal of its own, which is on its standard streams. */
  readonly ownTerminal: boolean;
}
export interface AgentExit {
  /** The agent's own code, or 128 + signal number. */
  readonly exitCode: number;
  readonly signal: string | null;
  /** Limits of the bottle that the kernel or a watchdog had to hold. */
  readonly reached: readonly ReachedLimit[];
}

/** One wall, looked at from inside by our probe or from outside by the host (SECURITY S4). */
export interface WallCheck {
  readonly id: string;
  readonly guarantee: string;
  readonly from: 'inside' | 'outside';
  readonly expected: string;
  readonly seen: string;
  readonly held: boolean;
}
export interface Proof {
  readonly held: boolean;
  readonly checks: readonly WallCheck[];
}

export interface ApplyContext {
  /** Host directory with `workspace/`, `home/`, prepared and owned as the backend asked. */
  readonly stateDirectory: string;
  /** The files that run beside the launcher: `HeldProgram` has laid them out there. */
  readonly programDirectory: string;
  readonly stdio: readonly [
    'inherit' | 'pipe' | 'ignore',
    'inherit' | 'pipe' | 'ignore',
    'inherit' | 'pipe' | 'ignore',
  ];
  /** The agent's side of a pty, for all three streams; null leaves them to `stdio`. */
  readonly terminal: { readonly slaveFd: number } | null;
  /** Called before each step with what it is about to create, so that a killed launcher leaves a list. */
  readonly journal: (entry: {
    readonly step: string;
    readonly detail: Readonly<Record<string, string | number>>;
  }) => void;
  readonly signal: AbortSignal;
}

export interface ProofContext {
  /** The probe asks the gateway for it; `gatewaySaw` resolves when the gateway reported it. */
  readonly nonce: string;
  readonly gatewaySaw: Promise<void>;
  readonly deadlineMs: number;
}

/** A bottle that exists but whose agent waits behind the gate until the proof held. */
export interface GatedBottle extends AsyncDisposable {
  readonly listeners: readonly BottleListener[];
  /** Pid, in the host's numbering, of the first process inside. */
  readonly hostPid: Promise<number>;
  prove(context: ProofContext): Promise<Proof>;
  /** Opens the gate; resolves when the agent has ended. Refuses unless `prove` held. */
  run(command: AgentCommand): Promise<AgentExit>;
  /** What another process of the operator's has to know to let a command in: the backend's own, as JSON. */
  door(): Promise<unknown>;
  /** For good: once whoever was given the listeners has closed them too, what the bottle dials is refused by the kernel. */
  closeListeners(): void;
  /** TERM to the agent, KILL to everything after the grace. */
  stop(graceMs: number): Promise<void>;
}

/** A further command for a bottle that runs, started by another process than the one that holds the bottle. */
export interface EnterContext extends Pick<ApplyContext, 'stateDirectory' | 'terminal'> {
  readonly stdio: readonly ['inherit' | 'ignore', 'inherit' | 'ignore', 'inherit' | 'ignore'];
  /** As `GatedBottle.door` told it. */
  readonly door: unknown;
  readonly command: {
    readonly argv: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly cwd: string;
  };
}

/** It ends with its bottle. */
export interface EnteredCommand extends AsyncDisposable {
  readonly exited: Promise<Omit<AgentExit, 'reached'>>;
  /** TERM to the command, KILL after the grace. */
  stop(graceMs: number): Promise<void>;
}

export interface Backend<Plan = unknown> {
  readonly capabilities: BackendCapabilities;
  probe(): Promise<BackendProbe>;
  limits(): Promise<LimitSupport>;
  /** Pure given the facts the backend gathered: same input, same printable value. */
  plan(bottle: BottlePlan): Promise<Plan>;
  apply(plan: Plan, context: ApplyContext): Promise<GatedBottle>;
  /** Refuses unless the command is behind the walls that the agent is behind. */
  enter(context: EnterContext): Promise<EnteredCommand>;
}
