import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { runtimePlaces } from './leftovers.ts';
import type { World } from './world.ts';

/** A value that is nowhere else on the machine. */
export interface Planted {
  /** Which way in it came. */
  readonly kind: string;
  readonly value: string;
  /** The agent is given it, by the operator's choice. */
  readonly forwarded: boolean;
  /** The operator keeps it in the environment of the command that they typed. */
  readonly exported: boolean;
}

export function plant(kind: string, { forwarded = false, exported = true } = {}): Planted {
  return { kind, value: `pl4nted${randomBytes(24).toString('hex')}`, forwarded, exported };
}

/** The value's beginning, its end, and what base64 at any offset and hex make of it. */
function formsOf(value: string): readonly string[] {
  const encoded = [0, 1, 2].map((offset) => {
    const text = Buffer.from(`${'-'.repeat(offset)}${value}`).toString('base64');
    return text.slice(4, 28);
  });
  return [value.slice(7, 27), value.slice(-20), ...encoded, Buffer.from(value).toString('hex').slice(0, 40)];
}

/** One line for each value that a text holds. */
export function holds(where: string, text: string, planted: readonly Planted[]): readonly string[] {
  return planted
    .filter(({ value }) => formsOf(value).some((form) => text.includes(form)))
    .map(({ kind }) => `${kind} in ${where}`);
}

export interface Look {
  readonly world: World;
  readonly planted: readonly Planted[];
  /** Files in which the operator keeps values. */
  readonly kept?: readonly string[];
}

/** Everything on the machine that somebody could look into, but for what is said to be the value's own place. */
export function search({ world, planted, kept = [] }: Look): readonly string[] {
  return [...searchProcesses(world, planted), ...searchFiles(world, planted, kept)];
}

function searchProcesses(world: World, planted: readonly Planted[]): readonly string[] {
  const all = processes();
  const bottle = all.find(({ command, namespace }) => command.includes(AGENT_MARK) && namespace !== OWN_NAMESPACE);
  return all.flatMap(({ pid, command, environment, namespace }) => {
    const inside = namespace === bottle?.namespace;
    const typed = environment.includes(world.home) && /cli\.js|sh -c|tmux/.test(command);
    const seen = planted.filter(({ forwarded, exported }) => !(inside && forwarded) && !(typed && exported));
    return [
      ...holds(`the arguments of ${pid} ${command.slice(0, 80)}`, command, inside ? seen : planted),
      ...holds(`the environment of ${pid} ${command.slice(0, 80)}`, environment, seen),
      ...searchOpenFiles(pid, planted),
    ];
  });
}

/** In the arguments of the agent, so that its bottle is known from the services' boxes. */
export const AGENT_MARK = 'agent.sh';
const OWN_NAMESPACE = fs.readlinkSync('/proc/self/ns/pid');

interface Process {
  readonly pid: string;
  readonly namespace: string;
  readonly command: string;
  readonly environment: string;
}

function processes(): readonly Process[] {
  return fs.readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return [];
    try {
      return [
        {
          pid,
          namespace: fs.readlinkSync(`/proc/${pid}/ns/pid`),
          command: fs.readFileSync(`/proc/${pid}/cmdline`, 'latin1').replaceAll('\0', ' '),
          environment: fs.readFileSync(`/proc/${pid}/environ`, 'latin1'),
        },
      ];
    } catch {
      // It ended meanwhile, or belongs to somebody else.
      return [];
    }
  });
}

/** Files without a name too: in memory, or taken away while open. */
function searchOpenFiles(pid: string, planted: readonly Planted[]): readonly string[] {
  return namesIn(`/proc/${pid}/fd`).flatMap((fd) => {
    const link = `/proc/${pid}/fd/${fd}`;
    const to = linkOf(link);
    const nameless = to.startsWith('/memfd:') || to.endsWith(' (deleted)');
    return nameless && isFile(link) ? holds(`${to} of ${pid}`, textOf(link), planted) : [];
  });
}

function searchFiles(world: World, planted: readonly Planted[], kept: readonly string[]): readonly string[] {
  return [world.root, ...runtimePlaces(), '/dev/shm']
    .filter((place) => fs.existsSync(place))
    .flatMap(filesBelow)
    .filter((file) => !kept.includes(file))
    .flatMap((file) => [...holds(file, textOf(file), planted), ...holds(`the name ${file}`, file, planted)]);
}

function filesBelow(place: string): readonly string[] {
  try {
    return fs
      .readdirSync(place, { withFileTypes: true, recursive: true })
      .filter((entry) => entry.isFile())
      .map((entry) => path.join(entry.parentPath, entry.name));
  } catch {
    // Another bottle's, gone meanwhile: what is left is looked at one by one.
    return namesIn(place).flatMap((name) => {
      const file = path.join(place, name);
      return isFile(file) ? [file] : [];
    });
  }
}

function namesIn(directory: string): readonly string[] {
  try {
    return fs.readdirSync(directory);
  } catch {
    return [];
  }
}

function linkOf(link: string): string {
  try {
    return fs.readlinkSync(link);
  } catch {
    return '';
  }
}

function isFile(file: string): boolean {
  return fs.statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
}

function textOf(file: string): string {
  try {
    return fs.readFileSync(file, 'latin1');
  } catch {
    // Gone meanwhile.
    return '';
  }
}
