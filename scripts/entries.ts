import type { AssetName } from '../src/platform/assets.ts';

/** What `dist/` holds, and the source file each begins at. */
export const ENTRIES: Readonly<Record<AssetName, string>> = {
  'cli.js': 'src/cli/main.ts',
  'cli-command-line.js': 'src/cli/command-line.ts',
  'cli-inbox.js': 'src/cli/inbox-screen.ts',
  'egress.js': 'src/egress/main.ts',
  'git-gate.js': 'src/gitgate/main.ts',
  'init.js': 'src/bundle/init.ts',
  'netns-helper.js': 'src/backends/bubblewrap/netns-helper.ts',
  'probe.js': 'src/backends/probe/main.ts',
  'pty-helper.js': 'src/platform/pty-helper.ts',
  'supervise.js': 'src/supervise/main.ts',
};
