import { matchesWildcard } from './wildcard.ts';

/**
 * Files that tools run, or obey, unasked when somebody opens a directory (SECURITY S2): work that comes back with one of
 * them new or changed is shown before it is used. Data; each with the tool that would run it.
 */
export interface RunsOnOpen {
  /** Segments of a path, anywhere in the tree; `*` is any one segment or part of one, `**` any number of them. */
  readonly pattern: string;
  readonly by: string;
}

export const RUNS_ON_OPEN: readonly RunsOnOpen[] = [
  { pattern: '.git/config', by: 'git: fsmonitor, pagers, aliases, filters, includes' },
  { pattern: '.git/config.worktree', by: 'git' },
  { pattern: '.git/hooks/**', by: 'git, on commit, checkout, merge' },
  { pattern: '.git/info/attributes', by: 'git: filters' },
  { pattern: '.gitattributes', by: 'git: filters and merge drivers that are configured' },
  { pattern: '.gitmodules', by: 'git: where submodules come from' },
  { pattern: '.githooks/**', by: 'git, where core.hooksPath leads there' },
  { pattern: '.husky/**', by: 'husky, on commit' },
  { pattern: '.pre-commit-config.yaml', by: 'pre-commit, on commit' },
  { pattern: 'lefthook.y*ml', by: 'lefthook, on commit' },
  { pattern: '.lefthook/**', by: 'lefthook, on commit' },
  { pattern: '.vscode/tasks.json', by: 'Visual Studio Code: tasks that run on open' },
  { pattern: '.vscode/settings.json', by: 'Visual Studio Code: paths of interpreters and tools' },
  { pattern: '.vscode/launch.json', by: 'Visual Studio Code' },
  { pattern: '.vscode/extensions.json', by: 'Visual Studio Code: what it offers to install' },
  { pattern: '.vscode/mcp.json', by: 'Visual Studio Code: servers it starts' },
  { pattern: '*.code-workspace', by: 'Visual Studio Code' },
  { pattern: '.cursor/**', by: 'Cursor: rules and servers' },
  { pattern: '.cursorrules', by: 'Cursor' },
  { pattern: '.windsurf/**', by: 'Windsurf' },
  { pattern: '.zed/**', by: 'Zed: tasks and settings' },
  { pattern: '.idea/**', by: 'IntelliJ: run configurations and start-up tasks' },
  { pattern: '.vs/**', by: 'Visual Studio' },
  { pattern: '.fleet/**', by: 'Fleet' },
  { pattern: '.devcontainer/**', by: 'dev containers: what is built and run' },
  { pattern: '.devcontainer.json', by: 'dev containers' },
  { pattern: '.claude/**', by: 'Claude Code: hooks, settings, commands' },
  { pattern: 'CLAUDE.md', by: 'Claude Code: instructions' },
  { pattern: '.mcp.json', by: 'Claude Code: servers it starts' },
  { pattern: '.codex/**', by: 'Codex' },
  { pattern: 'AGENTS.md', by: 'coding agents: instructions' },
  { pattern: '.gemini/**', by: 'Gemini CLI' },
  { pattern: '.aider.conf.yml', by: 'aider' },
  { pattern: '.envrc', by: 'direnv' },
  { pattern: '.direnv/**', by: 'direnv' },
  { pattern: '.mise.toml', by: 'mise: hooks and environment' },
  { pattern: 'mise.toml', by: 'mise: hooks and environment' },
  { pattern: '.tool-versions', by: 'asdf, mise: which tools run' },
  { pattern: '.nvmrc', by: 'shells that switch Node.js on entering' },
  { pattern: '.npmrc', by: 'npm: registry, scripts' },
  { pattern: '.pnpmfile.cjs', by: 'pnpm, on every command' },
  { pattern: '.yarnrc*', by: 'yarn: which yarn runs' },
  { pattern: '.yarn/releases/**', by: 'yarn itself' },
  { pattern: '.yarn/plugins/**', by: 'yarn' },
  { pattern: 'bunfig.toml', by: 'bun' },
  { pattern: '.cargo/config*', by: 'cargo: wrappers and runners' },
  { pattern: 'rust-toolchain*', by: 'rustup: which toolchain runs' },
  { pattern: '.bazelrc', by: 'bazel' },
  { pattern: '.bazelversion', by: 'bazelisk: which bazel runs' },
  { pattern: 'tools/bazel', by: 'bazel' },
  { pattern: '.mvn/**', by: 'maven: extensions and options' },
  { pattern: 'gradle/wrapper/**', by: 'gradle: which gradle runs' },
  { pattern: '.gdbinit', by: 'gdb' },
  { pattern: '.lldbinit', by: 'lldb' },
  { pattern: '.nvim.lua', by: 'Neovim' },
  { pattern: '.nvimrc', by: 'Neovim' },
  { pattern: '.exrc', by: 'vi' },
  { pattern: '.vimrc', by: 'vim, with exrc' },
  { pattern: '.dir-locals.el', by: 'Emacs' },
  { pattern: '.projectile', by: 'Emacs' },
  { pattern: 'sitecustomize.py', by: 'Python, on every start there' },
  { pattern: 'usercustomize.py', by: 'Python' },
  { pattern: '*.pth', by: 'Python' },
  { pattern: 'conftest.py', by: 'pytest, when an editor collects tests' },
  { pattern: '.pylintrc', by: 'pylint in editors: init hooks' },
  { pattern: '.eslintrc.*js', by: 'eslint in editors' },
  { pattern: 'eslint.config.*', by: 'eslint in editors' },
  { pattern: '.prettierrc.*js', by: 'prettier in editors' },
  { pattern: 'prettier.config.*', by: 'prettier in editors' },
  { pattern: '.editorconfig', by: 'editors' },
];

/** The entry that a path falls under, or null. Case is folded: file systems that do so exist. */
export function runsOnOpen(path: string): RunsOnOpen | null {
  const segments = path.toLowerCase().split('/').filter(Boolean);
  return RUNS_ON_OPEN.find(({ pattern }) => matchesAnywhere(pattern.toLowerCase().split('/'), segments)) ?? null;
}

function matchesAnywhere(pattern: readonly string[], segments: readonly string[]): boolean {
  return segments.some((_, start) => matchesFrom(pattern, segments.slice(start)));
}

function matchesFrom(pattern: readonly string[], segments: readonly string[]): boolean {
  const [first, ...rest] = pattern;
  if (first === undefined) return segments.length === 0;
  if (first === '**') return segments.length > 0;
  const [segment, ...others] = segments;
  return segment !== undefined && matchesWildcard(first, segment) && matchesFrom(rest, others);
}
