import { Option } from 'commander';

/** What the parts of the command line have in common. */
export type Done = (code: number) => void;

export const collect = (value: string, earlier: readonly string[]): readonly string[] => [...earlier, value];
export const bottleOption = (): Option =>
  new Option('--bottle <name>', 'a bottle file; repeat to lay several over one another').argParser(collect).default([]);
export const example = (text: string): string => `\nExample:\n  ${text}`;
