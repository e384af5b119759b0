/** Keys that mean something only to be refused: those of old manifests, with their new spelling, and reserved ones. */
export interface RefusedKey {
  readonly message: string;
  readonly hint?: string;
}

export const REFUSED_KEYS: Readonly<Record<string, RefusedKey>> = {
  git: {
    message: '"git" is an old spelling of git-gate.repos',
    hint: 'git-gate: {repos: {web: {url: "ssh://git@git.acme.example/acme/web.git"}}}',
  },
  git_user: {
    message: '"git_user" is the old spelling of git-gate.user',
    hint: 'git-gate: {user: {name: Acme Bot, email: bot@acme.example}}',
  },
  ssh: {
    message: '"ssh" is an old spelling of git-gate.repos, where each repository has its key',
    hint: 'git-gate: {repos: {web: {key: {provider: static, path: ~/.ssh/acme_bot}}}}',
  },
  identity: {
    message: '"identity" is the old spelling of a repository\'s key, git-gate.repos.<name>.key',
    hint: 'key: {provider: static, path: ~/.ssh/acme_bot}',
  },
  runtime: {
    message: '"runtime" is an old key: agent_provider.template says which agent, and --backend which walls',
    hint: 'agent_provider: {template: claude}',
  },
  cred_proxy: {
    message: '"cred_proxy" is the old spelling of a route\'s auth, egress.routes[].auth',
    hint: 'egress: {routes: [{host: api.github.com, auth: {scheme: Bearer, token_ref: GH_TOKEN}}]}',
  },
  path_allowlist: {
    message: '"path_allowlist" is the old spelling of a route\'s matches, egress.routes[].matches',
    hint: 'matches: [{paths: [{type: prefix, value: /v1/}]}]',
  },
  pipelock: {
    message: '"pipelock" is the old spelling of a route\'s dlp, egress.routes[].dlp',
    hint: 'dlp: {outbound_on_match: block}',
  },
  role: { message: '"role" is reserved and takes no value yet; remove it' },
};

export function refusedKey(key: string): RefusedKey | null {
  return Object.hasOwn(REFUSED_KEYS, key) ? (REFUSED_KEYS[key] ?? null) : null;
}
