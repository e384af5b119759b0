import { keyPattern, type KeyPath } from './located.ts';

/** One line per key that can be pasted in its place: the hints of error messages. A test reads each by its schema. */
export const BOTTLE_EXAMPLES: Readonly<Record<string, string>> = {
  description: 'description: builds and tests of the web shop',
  extends: 'extends: [claude, node]',
  env: 'env: {TZ: Europe/Vienna}',
  'env.*.host': 'host: GH_TOKEN',
  'env.*.secret': 'secret: false',
  agent_provider: 'agent_provider: {template: claude, auth_token: CLAUDE_TOKEN}',
  'agent_provider.template': 'template: claude',
  'agent_provider.dockerfile': 'dockerfile: ./Dockerfile',
  'agent_provider.auth_token': 'auth_token: CLAUDE_TOKEN',
  'agent_provider.forward_host_credentials': 'forward_host_credentials: false',
  'agent_provider.settings': 'settings: {model: sonnet}',
  'git-gate': 'git-gate: {user: {name: Acme Bot, email: bot@acme.example}}',
  'git-gate.user': 'user: {name: Acme Bot, email: bot@acme.example}',
  'git-gate.user.name': 'name: Acme Bot',
  'git-gate.user.email': 'email: bot@acme.example',
  'git-gate.repos': 'repos: {web: {url: "ssh://git@git.acme.example/acme/web.git"}}',
  'git-gate.repos.*.url': 'url: ssh://git@git.acme.example/acme/web.git',
  'git-gate.repos.*.host_key': 'host_key: ssh-ed25519 AAAA…',
  'git-gate.repos.*.key': 'key: {provider: static, path: ~/.ssh/acme_bot}',
  'git-gate.repos.*.allow': 'allow: [tags]',
  'git-gate.repos.*.push': 'push: [refs/heads/review/*]',
  'git-gate.repos.*.push_default': 'push_default: ask',
  'git-gate.repos.*.paths_protected': 'paths_protected: [.github/**]',
  'git-gate.repos.*.push_ci': 'push_ci: warn',
  'git-gate.repos.*.max_pack': 'max_pack: 512MiB',
  egress: 'egress: {routes: [{host: api.github.com}]}',
  'egress.log': 'log: 1',
  'egress.routes': 'routes: [{host: api.github.com}]',
  'egress.routes[].host': 'host: api.github.com',
  'egress.routes[].auth': 'auth: {scheme: Bearer, token_ref: GH_TOKEN}',
  'egress.routes[].auth.scheme': 'scheme: Bearer',
  'egress.routes[].auth.token_ref': 'token_ref: GH_TOKEN',
  'egress.routes[].auth.name': 'auth: {scheme: header, name: x-api-key, token_ref: GH_TOKEN}',
  'egress.routes[].matches': 'matches: [{methods: [GET], paths: [{type: prefix, value: /v1/}]}]',
  'egress.routes[].matches[].paths': 'paths: [{type: prefix, value: /v1/}]',
  'egress.routes[].matches[].paths[].type': 'type: prefix',
  'egress.routes[].matches[].paths[].value': 'value: /v1/',
  'egress.routes[].matches[].methods': 'methods: [GET]',
  'egress.routes[].matches[].headers': 'headers: [{type: exact, name: accept, value: application/json}]',
  'egress.routes[].matches[].headers[].type': 'type: exact',
  'egress.routes[].matches[].headers[].name': 'name: accept',
  'egress.routes[].matches[].headers[].value': 'value: application/json',
  'egress.routes[].git': 'git: {fetch: true}',
  'egress.routes[].git.fetch': 'git: {fetch: true}',
  'egress.routes[].dlp': 'dlp: {outbound_on_match: block}',
  'egress.routes[].dlp.outbound_detectors': 'outbound_detectors: [token_patterns, known_secrets]',
  'egress.routes[].dlp.outbound_on_match': 'outbound_on_match: block',
  'egress.routes[].placeholders': 'placeholders: [{env: API_KEY, in: header, name: authorization}]',
  'egress.routes[].agent_credentials': 'agent_credentials: deny',
  'egress.routes[].range': 'range: true',
  supervise: 'supervise: false',
  workspace: 'workspace: {mode: copy}',
  'workspace.mode': 'mode: copy',
  'workspace.ignored': 'workspace: {mode: copy, ignored: leave}',
  resources: 'resources: {cpus: 2, memory: 4GiB, pids: 512}',
  'resources.cpus': 'cpus: 2',
  'resources.memory': 'memory: 4GiB',
  'resources.pids': 'pids: 512',
  'resources.disk': 'disk: 10GiB',
  'resources.strict': 'strict: true',
  mounts: 'mounts: [{path: ~/.nvm, mode: ro}]',
  'mounts[].path': 'path: ~/.nvm',
  'mounts[].mode': 'mode: ro',
  budget: 'budget: {usd: 5, per: day}',
  'budget.per': 'per: day',
  debug: 'debug: true',
};

export const AGENT_EXAMPLES: Readonly<Record<string, string>> = {
  bottle: 'bottle: claude',
  skills: 'skills: [code-review]',
  'git-gate': 'git-gate: {user: {name: Acme Bot, email: bot@acme.example}}',
  'git-gate.user': 'user: {name: Acme Bot, email: bot@acme.example}',
  'git-gate.user.name': 'name: Acme Bot',
  'git-gate.user.email': 'email: bot@acme.example',
};

export const SETTINGS_EXAMPLES: Readonly<Record<string, string>> = {
  upstream: 'upstream: {extra_ca: [/etc/ssl/company.pem]}',
  'upstream.extra_ca': 'extra_ca: [/etc/ssl/company.pem]',
  'upstream.proxy': 'proxy: http://proxy.acme.example:3128',
  'upstream.proxy_resolves': 'proxy_resolves: true',
  'upstream.no_proxy': 'no_proxy: ["*.acme.example"]',
  'upstream.resolve': 'resolve: {"git.acme.example:443": "10.0.0.7:443"}',
  'upstream.resolve.*': '"git.acme.example:443": "10.0.0.7:443"',
  dlp: 'dlp: {rules: [rules/acme.toml]}',
  'dlp.rules': 'rules: [rules/acme.toml]',
  backend: 'backend: bubblewrap',
  strict_secrets: 'strict_secrets: true',
  supervise: 'supervise: {hold_s: 300}',
  'supervise.hold_s': 'hold_s: 300',
};

/** The example of a key, or of a key whose name is the user's own (`env.TZ` is found as `env.*`). */
export function exampleFor(examples: Readonly<Record<string, string>>, path: KeyPath): string | null {
  const own = examples[keyPattern(path)] ?? examples[keyPattern(withStar(path))];
  if (own !== undefined) return own;
  return typeof path.at(-1) === 'number' ? exampleFor(examples, path.slice(0, -1)) : null;
}

const NAMED_BY_USER: readonly KeyPath[] = [['env'], ['git-gate', 'repos'], ['upstream', 'resolve']];

function withStar(path: KeyPath): KeyPath {
  const parent = NAMED_BY_USER.find(
    (map) => map.length < path.length && map.every((step, index) => path[index] === step),
  );
  return parent === undefined ? path : [...parent, '*', ...path.slice(parent.length + 1)];
}
