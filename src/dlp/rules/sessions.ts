import type { Rule } from '../rule.ts';
import { vendor } from './shapes.ts';

/** No value: a variable, a call, a word of documentation, a hash of something public. */
const NO_VALUE = [
  '(?i:example|sample|placeholder|dummy|changeme|change_me|redacted|undefined|lorem|xxxx|your[_-]?)',
  '^[$%{<\\[(]',
  '^[A-Z]?[a-z]{2,}(?:[._-]?[A-Z]?[a-z]{2,})*$',
  '^[0-9.,_+-]+$',
  '(?:\\(|\\)|=>|::)',
];

/** Tokens of sessions, and values that only their names give away. */
export const SESSION_RULES: readonly Rule[] = [
  ...vendor('JSON Web Token', 'https://www.rfc-editor.org/rfc/rfc7519', [
    {
      id: 'jwt',
      keywords: ['eyJ'],
      pattern: '(?:^|[^\\w-])(eyJ[\\w-]{10,}\\.eyJ[\\w-]{10,}\\.[\\w-]{20,})',
      secretGroup: 1,
      entropy: 3.5,
      kind: 'session',
      severity: 'high',
      examples: {
        match: ['token=eyJ{w33}.eyJ{w60}.{w43}', '{"id_token":"eyJ{w80}.eyJ{w600}.{w342}"}'],
        miss: ['eyJ{w33}.{A60}.{w43}', 'eyJ{w33}.eyJ{w60}.{w19}"'],
      },
    },
    {
      id: 'jwe',
      keywords: ['eyJ'],
      pattern: '(?:^|[^\\w-])(eyJ[\\w-]{10,}\\.[\\w-]*\\.[\\w-]{12,32}\\.[\\w-]{20,}\\.[\\w-]{16,43})',
      secretGroup: 1,
      entropy: 3.5,
      kind: 'session',
      severity: 'high',
      examples: {
        match: ['eyJ{w60}..{w16}.{w200}.{w22}', '"eyJ{w60}.{w342}.{w16}.{w400}.{w22}"'],
        miss: ['eyJ{w60}..{w16}.{w200}', 'eyJ{w9}..{w16}.{w200}.{w22}'],
      },
    },
  ]),
  ...vendor('HTTP authentication', 'https://www.rfc-editor.org/rfc/rfc9110#section-11', [
    {
      id: 'authorization-bearer',
      keywords: ['authorization'],
      pattern:
        '(?i:authorization)["\']{0,2}\\s{0,3}[:=]\\s{0,3}["\'`]{0,2}(?i:bearer|token)\\s{1,3}([\\w.~+/=-]{20,1000})',
      secretGroup: 1,
      entropy: 3,
      allow: NO_VALUE,
      kind: 'session',
      severity: 'high',
      examples: {
        match: ['curl -H "Authorization: Bearer {A40}"', "{'Authorization': 'token {x40}'}"],
        miss: [
          'Authorization: Bearer $TOKEN',
          'Authorization: Bearer your-access-token-goes-here',
          'Authorization: Bearer {A19}',
        ],
      },
    },
    {
      id: 'authorization-basic',
      keywords: ['authorization'],
      pattern:
        '(?i:authorization)["\']{0,2}\\s{0,3}[:=]\\s{0,3}["\'`]{0,2}(?i:basic)\\s{1,3}([A-Za-z0-9+/]{16,500}={0,2})',
      secretGroup: 1,
      entropy: 3.2,
      allow: NO_VALUE,
      checksum: 'mixed',
      kind: 'session',
      severity: 'high',
      examples: {
        match: ['curl -H "Authorization: Basic {b32}=="', '"authorization": "Basic {b40}"'],
        miss: ['Authorization: Basic <credentials>', 'Authorization: Basic {b15}'],
      },
    },
    {
      id: 'curl-user-password',
      keywords: ['curl '],
      pattern: '\\bcurl [^\\r\\n|;&]{0,200}?(?:-u|--user)[ =]["\']?[\\w.@+-]{1,64}:([^\\s"\'$<{]{8,128})',
      secretGroup: 1,
      entropy: 2.5,
      allow: NO_VALUE,
      severity: 'high',
      examples: {
        match: [
          'curl -u admin:{A16} https://acme.example',
          "curl -X POST --user 'me@acme.example:{w20}' https://acme.example",
        ],
        miss: ['curl -u admin:$PASSWORD https://acme.example', 'curl -u admin https://acme.example/{A16}:80'],
      },
    },
  ]),
  ...vendor('Session cookies', 'https://www.rfc-editor.org/rfc/rfc6265', [
    {
      id: 'session-cookie',
      keywords: [
        'sessionid',
        'PHPSESSID',
        'JSESSIONID',
        'connect.sid',
        'laravel_session',
        '_session_id',
        'ASP.NET_SessionId',
        '.AspNetCore.',
        'next-auth.session-token',
        'authjs.session-token',
        'user_session',
        '_gitlab_session',
        'li_at',
        'SAPISID',
        'wordpress_logged_in_',
        '_gh_sess',
      ],
      pattern:
        '(?:sessionid|PHPSESSID|JSESSIONID|connect\\.sid|laravel_session|_session_id|ASP\\.NET_SessionId|\\.AspNetCore\\.\\w{1,40}|(?:next-auth|authjs)\\.session-token|user_session|_gitlab_session|li_at|__Secure-[13]PAPISID|SAPISID|wordpress_logged_in_\\w{1,40}|_gh_sess)["\']?\\s{0,2}[=:]\\s{0,2}["\']?([\\w%.+/~-]{20,1000})',
      secretGroup: 1,
      entropy: 2.9,
      allow: NO_VALUE,
      kind: 'session',
      severity: 'high',
      examples: {
        match: [
          'Cookie: theme=dark; sessionid={a32}; lang=de',
          'Set-Cookie: connect.sid=s%3A{A32}.{A43}; Path=/',
          '{"PHPSESSID": "{a26}"}',
          '_gitlab_session={x32}',
        ],
        miss: ['Cookie: theme={a32}', 'sessionid=deleted; Path=/', 'PHPSESSID={a19}'],
      },
    },
  ]),
  ...vendor('Any assignment', 'https://cwe.mitre.org/data/definitions/798.html', [
    {
      id: 'generic-password',
      keywords: ['passw', 'passphrase', 'pwd'],
      pattern:
        '(?i:passw(?:or)?d|passphrase|_pwd)(?:\\\\?["\'])?[ \\t]{0,3}(?::=|=|:)[ \\t]{0,3}\\\\?["\']([^\\s"\'\\\\<>{}$`]{12,128})\\\\?["\']',
      secretGroup: 1,
      entropy: 3.3,
      allow: NO_VALUE,
      checksum: 'mixed',
      kind: 'session',
      severity: 'medium',
      examples: {
        match: ['password = "{A20}"', '{"db_passwd": "{w24}"}', "passphrase: '{A32}'"],
        miss: [
          'password = "{A11}"',
          'password = getPassword("{A20}")',
          'password: "correct-horse-battery-staple"',
          'password = {A20}',
        ],
      },
    },
    {
      id: 'generic-secret',
      keywords: [
        'secret',
        'token',
        'api_key',
        'api-key',
        'apikey',
        'access_key',
        'auth_key',
        'private_key',
        'client_secret',
        'credential',
      ],
      pattern:
        '(?i:secret|[_-]token|api[_-]?key|access[_-]?key|auth[_-]?key|private[_-]?key|credential)(?i:[_-]?(?:key|token|value|base))?(?:\\\\?["\'])?[ \\t]{0,3}(?::=|=|:)[ \\t]{0,3}\\\\?["\']([\\w+/.~=-]{20,256})\\\\?["\']',
      secretGroup: 1,
      entropy: 3.8,
      allow: NO_VALUE,
      checksum: 'mixed',
      kind: 'session',
      severity: 'medium',
      examples: {
        match: ['client_secret = "{A32}"', '{"api_key": "{A40}"}', "ACCESS_TOKEN: '{w48}'", 'secretKey := "{b44}"'],
        miss: [
          'secret = "{A19}"',
          'secretName: "acme-production-database-credentials"',
          'api_key = os.environ["{A32}"]',
          'token_type: "bearer"',
        ],
      },
    },
  ]),
];
