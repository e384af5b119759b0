import { runsOnOpen } from '../runs-on-open.ts';
import { matchesWildcard } from '../wildcard.ts';

/**
 * Paths whose change needs the operator (SECURITY S30): what a forge runs as soon as it is pushed, and what people's
 * tools run when they open a checkout of it. Case is folded, for file systems that do so exist.
 */
export function isCiDefinition(path: string): boolean {
  return CI_DEFINITIONS.some((glob) => matchesPathGlob(glob, path));
}

/** The words for why, or null. `globs` null stands for the default set. */
export function protectedBecause(globs: readonly string[] | null, path: string): string | null {
  if (globs !== null) {
    const glob = globs.find((candidate) => matchesPathGlob(candidate, path));
    return glob === undefined ? null : `paths_protected ${glob}`;
  }
  if (isCiDefinition(path)) return 'CI runs it';
  const runs = runsOnOpen(path);
  return runs === null ? null : `run unasked by ${runs.by}`;
}

const CI_DEFINITIONS = [
  '.github/workflows/**',
  '.github/actions/**',
  '.github/dependabot.yml',
  '.github/codeowners',
  'action.yml',
  'action.yaml',
  '.gitlab-ci.yml',
  '.gitlab/**',
  '.gitea/**',
  '.forgejo/**',
  '.circleci/**',
  '.travis.yml',
  'jenkinsfile',
  'jenkinsfile.*',
  'azure-pipelines.yml',
  'azure-pipelines.yaml',
  '.azure-pipelines/**',
  '.azuredevops/**',
  '.drone.yml',
  '.drone.star',
  '.drone.jsonnet',
  '.woodpecker.yml',
  '.woodpecker.yaml',
  '.woodpecker/**',
  'bitbucket-pipelines.yml',
  'appveyor.yml',
  '.appveyor.yml',
  '.buildkite/**',
  '.cirrus.yml',
  '.cirrus.star',
  '.semaphore/**',
  '.teamcity/**',
  'cloudbuild.yaml',
  'cloudbuild.yml',
  'buildspec.yml',
  'buildspec.yaml',
  '.builds/**',
  '.build.yml',
  '.codebuild/**',
  'codemagic.yaml',
  'netlify.toml',
  'vercel.json',
  'wercker.yml',
  '.tekton/**',
  '.argo/**',
] as const;

/**
 * `**` is any number of segments, `*` any run of characters within one. A glob without a slash is one of names, at any
 * depth; all others begin at the root of the tree.
 */
export function matchesPathGlob(glob: string, path: string): boolean {
  const pattern = glob.toLowerCase().replace(/^\//, '').split('/').filter(Boolean);
  const segments = path.toLowerCase().split('/').filter(Boolean);
  if (pattern.length === 1 && !glob.startsWith('/') && pattern[0] !== '**')
    return segments.some((segment) => matchesWildcard(pattern[0] ?? '', segment));
  return matchesSegments(pattern, segments);
}

/** By a row of what is reachable, so that no pattern takes more than segments times segments. */
function matchesSegments(pattern: readonly string[], segments: readonly string[]): boolean {
  let reachable = new Set([0]);
  for (const [index, part] of pattern.entries()) {
    // `a/**` is what lies below `a`, not a file of that name.
    const least = index > 0 && index === pattern.length - 1 ? 1 : 0;
    const next = new Set<number>();
    for (const at of reachable) {
      if (part === '**') for (let to = at + least; to <= segments.length; to += 1) next.add(to);
      else if (at < segments.length && matchesWildcard(part, segments[at] ?? '')) next.add(at + 1);
    }
    reachable = next;
  }
  return reachable.has(segments.length);
}

/** The entries of a tree's top below which a definition may lie, as forges spell them. */
export const CI_ROOTS: readonly string[] = [
  ...new Set([
    ...CI_DEFINITIONS.map((glob) => glob.split('/')[0] ?? '').filter((root) => !root.includes('*')),
    'Jenkinsfile',
  ]),
];
