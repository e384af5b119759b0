import { describe, expect, test } from 'vitest';
import { compilePattern } from '../../src/policy/regex-subset.ts';
import { complaint, effectiveOf } from './support.ts';

/** What people get wrong, and the whole of what they are told. */
const BROKEN: readonly { readonly why: string; readonly yaml: string; readonly says: string }[] = [
  {
    why: 'a key of the top level misspelt',
    yaml: 'egres: {}',
    says: `manifest_invalid
bottles/acme.md:2:1  egres
  unknown key "egres"; did you mean "egress"?
  allowed here: description, extends, env, agent_provider, git-gate, egress, supervise, workspace, resources, mounts, budget, debug
      egress: {routes: [{host: api.github.com}]}`,
  },
  {
    why: 'a key far from any',
    yaml: 'colour: red',
    says: `manifest_invalid
bottles/acme.md:2:1  colour
  unknown key "colour"
  allowed here: description, extends, env, agent_provider, git-gate, egress, supervise, workspace, resources, mounts, budget, debug`,
  },
  {
    why: 'a key of a match misspelt',
    yaml: 'egress:\n  routes:\n    - host: api.github.com\n      matches:\n        - paths: [{type: prefix, value: /repos/}]\n          method: [GET]',
    says: `manifest_invalid
bottles/acme.md:7:11  egress.routes[0].matches[0].method
  unknown key "method"; did you mean "methods"?
  allowed here: paths, methods, headers
      methods: [GET]`,
  },
  {
    why: 'the typo is told, not what is missing because of it',
    yaml: 'egress: {routes: [{host: a.example, auth: {scheme: Bearer, tokenref: GH_TOKEN}}]}',
    says: `manifest_invalid
bottles/acme.md:2:60  egress.routes[0].auth.tokenref
  unknown key "tokenref"; did you mean "token_ref"?
  allowed here: scheme, token_ref, name
      token_ref: GH_TOKEN`,
  },
  {
    why: 'dashes and underscores are one slip',
    yaml: 'git_gate: {user: {name: A}}',
    says: `manifest_invalid
bottles/acme.md:2:1  git_gate
  unknown key "git_gate"; did you mean "git-gate"?
  allowed here: description, extends, env, agent_provider, git-gate, egress, supervise, workspace, resources, mounts, budget, debug
      git-gate: {user: {name: Acme Bot, email: bot@acme.example}}`,
  },
  {
    why: 'letter case is a slip',
    yaml: 'Env: {A: b}',
    says: `manifest_invalid
bottles/acme.md:2:1  Env
  unknown key "Env"; did you mean "env"?
  allowed here: description, extends, env, agent_provider, git-gate, egress, supervise, workspace, resources, mounts, budget, debug
      env: {TZ: Europe/Vienna}`,
  },
  {
    why: "an object's own members are no keys",
    yaml: 'constructor: 1',
    says: `manifest_invalid
bottles/acme.md:2:1  constructor
  unknown key "constructor"
  allowed here: description, extends, env, agent_provider, git-gate, egress, supervise, workspace, resources, mounts, budget, debug`,
  },
  {
    why: 'the prototype is no key',
    yaml: '__proto__: {debug: true}',
    says: `manifest_invalid
bottles/acme.md:2:1
  "__proto__" is no key`,
  },
  {
    why: 'old spelling: git',
    yaml: 'git: {}',
    says: `manifest_invalid
bottles/acme.md:2:1  git
  "git" is an old spelling of git-gate.repos
      git-gate: {repos: {web: {url: "ssh://git@git.acme.example/acme/web.git"}}}`,
  },
  {
    why: 'old spelling: git_user',
    yaml: 'git_user: {name: A}',
    says: `manifest_invalid
bottles/acme.md:2:1  git_user
  "git_user" is the old spelling of git-gate.user
      git-gate: {user: {name: Acme Bot, email: bot@acme.example}}`,
  },
  {
    why: 'old spelling: ssh',
    yaml: 'ssh: {}',
    says: `manifest_invalid
bottles/acme.md:2:1  ssh
  "ssh" is an old spelling of git-gate.repos, where each repository has its key
      git-gate: {repos: {web: {key: {provider: static, path: ~/.ssh/acme_bot}}}}`,
  },
  {
    why: 'old spelling: runtime',
    yaml: 'runtime: runsc',
    says: `manifest_invalid
bottles/acme.md:2:1  runtime
  "runtime" is an old key: agent_provider.template says which agent, and --backend which walls
      agent_provider: {template: claude}`,
  },
  {
    why: 'old spelling: cred_proxy',
    yaml: 'cred_proxy: {}',
    says: `manifest_invalid
bottles/acme.md:2:1  cred_proxy
  "cred_proxy" is the old spelling of a route's auth, egress.routes[].auth
      egress: {routes: [{host: api.github.com, auth: {scheme: Bearer, token_ref: GH_TOKEN}}]}`,
  },
  {
    why: 'old spelling: path_allowlist, in a route',
    yaml: 'egress: {routes: [{host: a.example, path_allowlist: [/v1/]}]}',
    says: `manifest_invalid
bottles/acme.md:2:37  egress.routes[0].path_allowlist
  "path_allowlist" is the old spelling of a route's matches, egress.routes[].matches
      matches: [{paths: [{type: prefix, value: /v1/}]}]`,
  },
  {
    why: 'old spelling: pipelock',
    yaml: 'pipelock: true',
    says: `manifest_invalid
bottles/acme.md:2:1  pipelock
  "pipelock" is the old spelling of a route's dlp, egress.routes[].dlp
      dlp: {outbound_on_match: block}`,
  },
  {
    why: 'old spelling: identity, in a repository',
    yaml: 'git-gate: {repos: {web: {url: "git@a.example:web", identity: ~/.ssh/id}}}',
    says: `manifest_invalid
bottles/acme.md:2:52  git-gate.repos.web.identity
  "identity" is the old spelling of a repository's key, git-gate.repos.<name>.key
      key: {provider: static, path: ~/.ssh/acme_bot}`,
  },
  {
    why: "a route's role is reserved",
    yaml: 'egress: {routes: [{host: a.example, role: admin}]}',
    says: `manifest_invalid
bottles/acme.md:2:37  egress.routes[0].role
  "role" is reserved and takes no value yet; remove it`,
  },
  {
    why: 'a list for a map',
    yaml: '- env',
    says: `manifest_invalid
bottles/acme.md:2:1
  must be a map: lines of \`key: value\``,
  },
  {
    why: 'a word for a map',
    yaml: 'hello',
    says: `manifest_invalid
bottles/acme.md:2:1
  must be a map: lines of \`key: value\``,
  },
  {
    why: 'a map for a list',
    yaml: 'egress: {routes: {host: a.example}}',
    says: `manifest_invalid
bottles/acme.md:2:18  egress.routes
  must be a list
      routes: [{host: api.github.com}]`,
  },
  {
    why: 'nothing for a map',
    yaml: 'egress:',
    says: `manifest_invalid
bottles/acme.md:2:1  egress
  has no value; it must be a map
      egress: {routes: [{host: api.github.com}]}`,
  },
  {
    why: "a number for a variable's value",
    yaml: 'env: {PORT: 8080}',
    says: `manifest_invalid
bottles/acme.md:2:13  env.PORT
  must be a string or a map with host and secret; put it in quotes`,
  },
  {
    why: "a list for a variable's value",
    yaml: 'env: {PORT: [8080]}',
    says: `manifest_invalid
bottles/acme.md:2:13  env.PORT
  must be a string or a map with host and secret`,
  },
  {
    why: 'a variable without a value',
    yaml: 'env:\n  PORT:',
    says: `manifest_invalid
bottles/acme.md:3:3  env.PORT
  has no value; it must be a string or a map with host and secret`,
  },
  {
    why: "a variable's name with a dash",
    yaml: 'env: {MY-VAR: x}',
    says: `manifest_invalid
bottles/acme.md:2:7  env.MY-VAR
  a key here must be the name of a variable: letters, digits and _, no digit first`,
  },
  {
    why: "a variable's name with a digit first",
    yaml: 'env: {1A: x}',
    says: `manifest_invalid
bottles/acme.md:2:7  env.1A
  a key here must be the name of a variable: letters, digits and _, no digit first`,
  },
  {
    why: 'the host form with a typo',
    yaml: 'env: {A: {hots: B}}',
    says: `manifest_invalid
bottles/acme.md:2:11  env.A.hots
  unknown key "hots"; did you mean "host"?
  allowed here: host, secret
      host: GH_TOKEN`,
  },
  {
    why: 'the host form without a host',
    yaml: 'env: {A: {secret: false}}',
    says: `manifest_invalid
bottles/acme.md:2:10  env.A.host
  "host" is missing: the name of a host variable
      host: GH_TOKEN`,
  },
  {
    why: 'the host form with a value that is no name',
    yaml: 'env: {A: {host: "B C"}}',
    says: `manifest_invalid
bottles/acme.md:2:17  env.A.host
  must be the name of a host variable
      host: GH_TOKEN`,
  },
  {
    why: '${} around something that is no name',
    yaml: 'env:\n  A: ${B-C}',
    says: `manifest_invalid
bottles/acme.md:3:6  env.A
  between \${ and } must be the name of a host variable
      A: \${HOST_VARIABLE}`,
  },
  {
    why: 'a bare question mark',
    yaml: 'env:\n  TOKEN: ?',
    says: `manifest_invalid
bottles/acme.md:3:10
  a bare ? must be in quotes
      TOKEN: "?"`,
  },
  {
    why: 'a bare question mark with a message',
    yaml: 'env:\n  TOKEN: ? which token',
    says: `manifest_invalid
bottles/acme.md:3:10
  a bare ? must be in quotes
      TOKEN: "? which token"`,
  },
  {
    why: 'braces in braces',
    yaml: 'env: {A: ${B}}',
    says: `manifest_invalid
bottles/acme.md:2:11
  inside { } and [ ] a value with braces must be in quotes
      "\${NAME}"`,
  },
  {
    why: "a token where its variable's name belongs",
    yaml: 'egress: {routes: [{host: a.example, auth: {scheme: Bearer, token_ref: ghp_0123456789abcdefghij}}]}',
    says: `manifest_invalid
bottles/acme.md:2:71  egress.routes[0].auth.token_ref
  this looks like the credential itself; write the name of the host variable that holds it
      token_ref: GH_TOKEN`,
  },
  {
    why: 'a token as auth_token',
    yaml: 'agent_provider: {auth_token: sk_live_0123456789abcdef}',
    says: `manifest_invalid
bottles/acme.md:2:30  agent_provider.auth_token
  this looks like the credential itself; write the name of the host variable that holds it
      auth_token: CLAUDE_TOKEN`,
  },
  {
    why: 'a token with dashes, which is no name at all',
    yaml: 'agent_provider: {auth_token: sk-ant-oat01-0123456789}',
    says: `manifest_invalid
bottles/acme.md:2:30  agent_provider.auth_token
  must be the name of a host variable
      auth_token: CLAUDE_TOKEN`,
  },
  {
    why: 'auth without anything',
    yaml: 'egress: {routes: [{host: a.example, auth: {}}]}',
    says: `manifest_invalid
bottles/acme.md:2:43  egress.routes[0].auth.scheme
  "scheme" is missing: Bearer, token, Basic, header or query
      auth: {scheme: Bearer, token_ref: GH_TOKEN}`,
  },
  {
    why: 'auth with an unknown scheme',
    yaml: 'egress: {routes: [{host: a.example, auth: {scheme: bearer, token_ref: T}}]}',
    says: `manifest_invalid
bottles/acme.md:2:52  egress.routes[0].auth.scheme
  must be Bearer, token, Basic, header or query; did you mean "Bearer"?
      scheme: Bearer`,
  },
  {
    why: "auth by header without the header's name",
    yaml: 'egress: {routes: [{host: a.example, auth: {scheme: header, token_ref: T}}]}',
    says: `manifest_invalid
bottles/acme.md:2:43  egress.routes[0].auth.name
  \`name\` goes with the schemes header and query, and only with them
      auth: {scheme: header, name: x-api-key, token_ref: GH_TOKEN}`,
  },
  {
    why: 'auth by Bearer with a name',
    yaml: 'egress: {routes: [{host: a.example, auth: {scheme: Bearer, name: x, token_ref: T}}]}',
    says: `manifest_invalid
bottles/acme.md:2:66  egress.routes[0].auth.name
  \`name\` goes with the schemes header and query, and only with them
      auth: {scheme: header, name: x-api-key, token_ref: GH_TOKEN}`,
  },
  {
    why: 'a route without a host',
    yaml: 'egress: {routes: [{git: {fetch: true}}]}',
    says: `manifest_invalid
bottles/acme.md:2:19  egress.routes[0].host
  "host" is missing: a string
      routes: [{host: api.github.com}]`,
  },
  {
    why: 'a URL for a host',
    yaml: 'egress: {routes: [{host: "https://a.example/x"}]}',
    says: `manifest_invalid
bottles/acme.md:2:26  egress.routes[0].host
  must be a host alone, not a URL
      host: api.github.com`,
  },
  {
    why: 'a wildcard in the middle',
    yaml: 'egress: {routes: [{host: "api.*.example"}]}',
    says: `manifest_invalid
bottles/acme.md:2:26  egress.routes[0].host
  not a host: a \`*\` stands only at the beginning, as \`*.example.com\`
      host: api.github.com`,
  },
  {
    why: 'a wildcard over an address',
    yaml: 'egress: {routes: [{host: "*.192.0.2.1"}]}',
    says: `manifest_invalid
bottles/acme.md:2:26  egress.routes[0].host
  not a host: a wildcard over an address
      host: api.github.com`,
  },
  {
    why: 'a port that no host has',
    yaml: 'egress: {routes: [{host: "a.example:70000"}]}',
    says: `manifest_invalid
bottles/acme.md:2:26  egress.routes[0].host
  not a host: a port outside 1 to 65535
      host: api.github.com`,
  },
  {
    why: 'an unquoted wildcard',
    yaml: 'egress:\n  routes:\n    - host: *.cdn.example',
    says: `manifest_invalid
bottles/acme.md:4:13
  a value that begins with * must be in quotes
      "*.cdn.example"`,
  },
  {
    why: 'an empty list of matches',
    yaml: 'egress: {routes: [{host: a.example, matches: []}]}',
    says: `manifest_invalid
bottles/acme.md:2:46  egress.routes[0].matches
  must be a list that is not empty; leave the key out instead
      matches: [{methods: [GET], paths: [{type: prefix, value: /v1/}]}]`,
  },
  {
    why: 'a match that would match all',
    yaml: 'egress: {routes: [{host: a.example, matches: [{}]}]}',
    says: `manifest_invalid
bottles/acme.md:2:47  egress.routes[0].matches[0]
  an entry without paths, methods or headers would match all
      matches: [{methods: [GET], paths: [{type: prefix, value: /v1/}]}]`,
  },
  {
    why: 'a method in small letters',
    yaml: 'egress: {routes: [{host: a.example, matches: [{methods: [get]}]}]}',
    says: `manifest_invalid
bottles/acme.md:2:58  egress.routes[0].matches[0].methods[0]
  must be an HTTP method in capitals
      methods: [GET]`,
  },
  {
    why: 'one method without a list',
    yaml: 'egress: {routes: [{host: a.example, matches: [{methods: GET}]}]}',
    says: `manifest_invalid
bottles/acme.md:2:57  egress.routes[0].matches[0].methods
  must be a list
      methods: [GET]`,
  },
  {
    why: 'a path type',
    yaml: 'egress: {routes: [{host: a.example, matches: [{paths: [{type: glob, value: /a}]}]}]}',
    says: `manifest_invalid
bottles/acme.md:2:63  egress.routes[0].matches[0].paths[0].type
  must be exact, prefix or regex
      type: prefix`,
  },
  {
    why: 'a path without its value',
    yaml: 'egress: {routes: [{host: a.example, matches: [{paths: [{type: exact}]}]}]}',
    says: `manifest_invalid
bottles/acme.md:2:56  egress.routes[0].matches[0].paths[0].value
  "value" is missing: a string
      paths: [{type: prefix, value: /v1/}]`,
  },
  {
    why: 'a path as bare text',
    yaml: 'egress: {routes: [{host: a.example, matches: [{paths: [/v1/]}]}]}',
    says: `manifest_invalid
bottles/acme.md:2:56  egress.routes[0].matches[0].paths[0]
  must be a map
      paths: [{type: prefix, value: /v1/}]`,
  },
  {
    why: 'a header name with a space',
    yaml: 'egress: {routes: [{host: a.example, matches: [{headers: [{type: exact, name: a b, value: x}]}]}]}',
    says: `manifest_invalid
bottles/acme.md:2:78  egress.routes[0].matches[0].headers[0].name
  must be a header name
      name: accept`,
  },
  {
    why: 'the same route twice',
    yaml: 'egress:\n  routes:\n    - host: a.example\n    - host: b.example\n    - host: A.example',
    says: `manifest_invalid
bottles/acme.md:6:7  egress.routes[2]
  a.example has a route already at bottles/acme.md:4; put both into one with several matches
      matches: [{methods: [GET]}, {methods: [POST], paths: [{type: prefix, value: /v1/}]}]`,
  },
  {
    why: 'the same route twice, with a port',
    yaml: 'egress:\n  routes:\n    - {host: "a.example:443"}\n    - {host: "a.example.:443"}',
    says: `manifest_invalid
bottles/acme.md:5:7  egress.routes[1]
  a.example:443 has a route already at bottles/acme.md:4; put both into one with several matches
      matches: [{methods: [GET]}, {methods: [POST], paths: [{type: prefix, value: /v1/}]}]`,
  },
  {
    why: 'a detector that is none',
    yaml: 'egress: {routes: [{host: a.example, dlp: {outbound_detectors: [known_secret]}}]}',
    says: `manifest_invalid
bottles/acme.md:2:64  egress.routes[0].dlp.outbound_detectors[0]
  must be token_patterns, known_secrets or entropy; did you mean "known_secrets"?
      outbound_detectors: [token_patterns, known_secrets]`,
  },
  {
    why: 'detectors as true',
    yaml: 'egress: {routes: [{host: a.example, dlp: {outbound_detectors: true}}]}',
    says: `manifest_invalid
bottles/acme.md:2:63  egress.routes[0].dlp.outbound_detectors
  must be false or a list of token_patterns, known_secrets, entropy
      outbound_detectors: [token_patterns, known_secrets]`,
  },
  {
    why: 'a log level',
    yaml: 'egress: {log: 3}',
    says: `manifest_invalid
bottles/acme.md:2:15  egress.log
  must be 0, 1 or 2
      log: 1`,
  },
  {
    why: 'a word for a boolean',
    yaml: 'supervise: yes',
    says: `manifest_invalid
bottles/acme.md:2:12  supervise
  must be true or false
      supervise: false`,
  },
  {
    why: 'a workspace mode',
    yaml: 'workspace: {mode: copi}',
    says: `manifest_invalid
bottles/acme.md:2:19  workspace.mode
  must be copy, clone, bind or none; did you mean "copy"?
      mode: copy`,
  },
  {
    why: 'a workspace without its mode',
    yaml: 'workspace: {}',
    says: `manifest_invalid
bottles/acme.md:2:12  workspace.mode
  "mode" is missing: copy, clone, bind or none
      workspace: {mode: copy}`,
  },
  {
    why: 'a size in the wrong unit',
    yaml: 'resources: {memory: 4GB}',
    says: `manifest_invalid
bottles/acme.md:2:21  resources.memory
  must be a size such as 512MiB or 4GiB
      memory: 4GiB`,
  },
  {
    why: 'a size without a unit',
    yaml: 'resources: {memory: 4096}',
    says: `manifest_invalid
bottles/acme.md:2:21  resources.memory
  must be a size such as 512MiB or 4GiB
      memory: 4GiB`,
  },
  {
    why: 'no processors',
    yaml: 'resources: {cpus: 0}',
    says: `manifest_invalid
bottles/acme.md:2:19  resources.cpus
  must be more than 0
      cpus: 2`,
  },
  {
    why: 'half a process',
    yaml: 'resources: {pids: 1.5}',
    says: `manifest_invalid
bottles/acme.md:2:19  resources.pids
  must be a whole number
      pids: 512`,
  },
  {
    why: 'a relative mount',
    yaml: 'mounts: [{path: tools}]',
    says: `manifest_invalid
bottles/acme.md:2:17  mounts[0].path
  must be an absolute path, or one that begins with ~/
      path: ~/.nvm`,
  },
  {
    why: 'a mount that may be written',
    yaml: 'mounts: [{path: /opt/tools, mode: rw}]',
    says: `manifest_invalid
bottles/acme.md:2:35  mounts[0].mode
  must be ro
      mode: ro`,
  },
  {
    why: 'a budget without its period',
    yaml: 'budget: {usd: 5}',
    says: `manifest_invalid
bottles/acme.md:2:9  budget.per
  "per" is missing: bottle or day
      budget: {usd: 5, per: day}`,
  },
  {
    why: 'a repository name that is a path',
    yaml: 'git-gate: {repos: {../web: {url: /srv/web}}}',
    says: `manifest_invalid
bottles/acme.md:2:20  git-gate.repos["../web"]
  a key here must be a repository name: letters, digits, . _ -, no .git at its end`,
  },
  {
    why: 'a repository key of an unknown kind',
    yaml: 'git-gate: {repos: {web: {key: {provider: gitlab}}}}',
    says: `manifest_invalid
bottles/acme.md:2:42  git-gate.repos.web.key.provider
  must be static, gitea, github, forgejo or token`,
  },
  {
    why: 'a repository key without its path',
    yaml: 'git-gate: {repos: {web: {key: {provider: static}}}}',
    says: `manifest_invalid
bottles/acme.md:2:31  git-gate.repos.web.key.path
  "path" is missing: a string
      key: {provider: static, path: ~/.ssh/acme_bot}`,
  },
  {
    why: 'a git identity that forges a line',
    yaml: 'git-gate: {user: {name: "A <a@b>"}}',
    says: `manifest_invalid
bottles/acme.md:2:25  git-gate.user.name
  must be free of < > and control characters
      name: Acme Bot`,
  },
  {
    why: 'a parent that is no name',
    yaml: 'extends: Base',
    says: `manifest_invalid
bottles/acme.md:2:10  extends
  must be a name such as web-2: small letters, digits and dashes, a letter first
      extends: [claude, node]`,
  },
  {
    why: 'a parent that is a number',
    yaml: 'extends: 3',
    says: `manifest_invalid
bottles/acme.md:2:10  extends
  must be a string or a list; put it in quotes
      extends: [claude, node]`,
  },
  {
    why: 'a key twice',
    yaml: 'env: {A: b}\ndebug: true\nenv: {C: d}',
    says: `manifest_invalid
bottles/acme.md:4:1
  the key "env" is here twice`,
  },
  {
    why: 'a key twice in a map',
    yaml: 'env: {A: b, A: c}',
    says: `manifest_invalid
bottles/acme.md:2:13
  the key "A" is here twice`,
  },
  {
    why: 'an anchor',
    yaml: 'env: &e {A: b}',
    says: `manifest_invalid
bottles/acme.md:2:9
  YAML anchors (&) and aliases (*) are not used here; write the value out`,
  },
  {
    why: 'an alias',
    yaml: 'env: {A: *b}',
    says: `manifest_invalid
bottles/acme.md:2:10
  YAML anchors (&) and aliases (*) are not used here; write the value out`,
  },
  {
    why: 'a tag of its own',
    yaml: 'env: !vault {A: b}',
    says: `manifest_invalid
bottles/acme.md:2:6
  YAML tags (!vault) are not used here; delete it`,
  },
  {
    why: 'binary',
    yaml: 'env: {A: !!binary aGk=}',
    says: `manifest_invalid
bottles/acme.md:2:19
  a kind of value that is not used here`,
  },
  {
    why: 'a map as a key',
    yaml: '{A: b}: c',
    says: `manifest_invalid
bottles/acme.md:2:1
  a key must be a plain word`,
  },
  {
    why: 'a tab',
    yaml: 'env:\n\tA: b',
    says: `manifest_invalid
bottles/acme.md:3:1
  a tab can't indent; use spaces`,
  },
  {
    why: 'a bracket that is never closed',
    yaml: 'extends: [a, b',
    says: `manifest_invalid
bottles/acme.md:3:1
  not YAML: flow sequence in block collection must be sufficiently indented and end with a ]`,
  },
  {
    why: 'a quote that is never closed',
    yaml: 'description: "what',
    says: `manifest_invalid
bottles/acme.md:3:1
  not YAML: missing closing "quote`,
  },
  {
    why: "lines that don't align",
    yaml: 'env:\n    A: b\n  C: d',
    says: `manifest_invalid
bottles/acme.md:4:1
  not YAML: all mapping items must start at the same column`,
  },
  {
    why: 'a reserved character',
    yaml: 'description: @acme',
    says: `manifest_invalid
bottles/acme.md:2:14
  not YAML: plain value cannot start with reserved character @`,
  },
];

describe('a broken bottle says file, line, column, key and fix', () => {
  test.each(BROKEN)('$why', ({ yaml, says }) => {
    expect(complaint(() => effectiveOf({ acme: yaml }))).toBe(says);
  });

  test.each(BROKEN)('$why: the same with CRLF line ends', ({ yaml, says }) => {
    const crlf = yaml.replaceAll('\n', '\r\n');
    expect(complaint(() => effectiveOf({ acme: crlf }))).toBe(says);
  });

  test.each([
    { pattern: '(a)\\1', written: String.raw`'(a)\1'`, why: 'a back-reference' },
    { pattern: '(?=x)', written: "'(?=x)'", why: 'a look-ahead' },
    { pattern: '[', written: "'['", why: 'no pattern at all' },
  ])('S22 a pattern that is refused is refused at load: $why', ({ pattern, written }) => {
    const verdict = compilePattern(pattern);
    const why = verdict.ok ? expect.fail('the pattern is fine') : verdict.error;
    const path = `egress: {routes: [{host: a.example, matches: [{paths: [{type: regex, value: ${written}}]}]}]}`;
    expect(complaint(() => effectiveOf({ acme: path }))).toBe(`manifest_invalid
bottles/acme.md:2:77  egress.routes[0].matches[0].paths[0].value
  this pattern is refused: ${why}`);
    const header = `egress: {routes: [{host: a.example, matches: [{headers: [{type: regex, name: accept, value: ${written}}]}]}]}`;
    expect(complaint(() => effectiveOf({ acme: header }))).toBe(`manifest_invalid
bottles/acme.md:2:93  egress.routes[0].matches[0].headers[0].value
  this pattern is refused: ${why}`);
    expect(complaint(() => effectiveOf({ acme: path.replace('regex', 'exact') }))).toBe('no complaint');
  });
});
