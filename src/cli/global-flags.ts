/** Flags that every command takes, in front of it or after it; what follows `--` is somebody else's. */
export interface GlobalFlags {
  /** The command line without them. */
  readonly argv: readonly string[];
  readonly debug: boolean;
  readonly plain: boolean;
}

/** Their own arguments are another command, with flags of its own. */
const PASSING_ON = ['run', 'exec'];

export function takeGlobalFlags(argv: readonly string[]): GlobalFlags {
  const at = argv.findIndex((argument) => !argument.startsWith('-'));
  const dashes = argv.indexOf('--');
  const ours = dashes === -1 ? argv.length : dashes;
  const end = PASSING_ON.includes(argv[at] ?? '') ? Math.min(at, ours) : ours;
  const before = argv.slice(0, end);
  return {
    argv: [...before.filter((argument) => argument !== '--debug' && argument !== '--plain'), ...argv.slice(end)],
    debug: before.includes('--debug'),
    plain: before.includes('--plain'),
  };
}
