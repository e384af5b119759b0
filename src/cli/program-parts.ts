import { InvalidArgumentError, Option } from 'commander';

/** What the parts of the command line have in common. */
export type Done = (code: number) => void;

export const collect = (value: string, earlier: readonly string[]): readonly string[] => [...earlier, value];
export const bottleOption = (): Option =>
  new Option('--bottle <name>', 'a bottle file; repeat to lay several over one another').argParser(collect).default([]);
/** Repeatable, and only what there is. */
export function collectOf(
  choices: readonly string[],
): (value: string, earlier: readonly string[]) => readonly string[] {
  return (value, earlier) => {
    if (choices.includes(value)) return [...earlier, value];
    throw new InvalidArgumentError(`must be one of ${choices.join(', ')}`);
  };
}
export const example = (text: string): string => `\nExample:\n  ${text}`;

export function parseListen(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9A-Fa-f:]+)\]|([^:\s]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (host === undefined || Number(match?.[3]) > 65_535) throw new InvalidArgumentError('write it as 127.0.0.1:8080');
  return { host, port: Number(match?.[3]) };
}

export function parseCount(text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('must be a number');
}
