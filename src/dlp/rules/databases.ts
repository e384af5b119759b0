import type { Rule } from '../rule.ts';
import { near, prefixed, UUID, vendor, type RuleOfVendor } from './shapes.ts';

/** What stands in a connection string where the password belongs, and is none. */
const NO_PASSWORD =
  '^(?i:pass(?:word|wd|phrase)?[0-9]{0,4}|pwd|secret|changeme|postgres|mysql|mariadb|mongo|redis|root|admin|guest|test|user|example|dbpass.*|your.*|my.*|[$%{<#\\[].*|\\*+|x+)$';

/** `scheme://user:password@host`. Some of them do without a user. */
function connection(id: string, schemes: readonly string[]): RuleOfVendor {
  const [scheme = ''] = schemes;
  return {
    id,
    keywords: schemes.map((name) => `${name}://`),
    pattern: `(?i:${schemes.map((name) => name.replace('+', '\\+')).join('|')})://[^\\s:/@"'<>]{0,128}:([^\\s/@"'<>]{6,256})@[^\\s/@"'<>]{2,255}`,
    secretGroup: 1,
    entropy: 2.3,
    allow: [NO_PASSWORD],
    severity: 'high',
    examples: {
      match: [`DATABASE_URL=${scheme}://app:{A16}@db.acme.example:5432/app`, `"${scheme}://app:{w24}@10.0.0.5"`],
      miss: [
        `${scheme}://app@db.acme.example/app`,
        `${scheme}://app:password@localhost/app`,
        `${scheme}://app:\${PASSWORD}@db/app`,
      ],
    },
  };
}

/** Databases, queues, caches and search: their connection strings, and the keys of hosted ones. */
export const DATABASE_RULES: readonly Rule[] = [
  ...vendor('PostgreSQL', 'https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS', [
    connection('postgres-url', ['postgres', 'postgresql', 'cockroachdb', 'timescaledb']),
    {
      id: 'pgpassword-variable',
      keywords: ['PGPASSWORD'],
      pattern: 'PGPASSWORD["\']?\\s{0,3}[=:]\\s{0,3}["\']?([^\\s"\'$<{]{8,128})',
      secretGroup: 1,
      entropy: 2.8,
      allow: [NO_PASSWORD],
      severity: 'high',
      examples: {
        match: ['PGPASSWORD={A16} psql', '"PGPASSWORD": "{w20}"'],
        miss: ['PGPASSWORD=$DB_PASSWORD', 'PGPASSFILE={A16}'],
      },
    },
  ]),
  ...vendor(
    'MySQL and MariaDB',
    'https://dev.mysql.com/doc/refman/8.4/en/connecting-using-uri-or-key-value-pairs.html',
    [connection('mysql-url', ['mysql', 'mariadb', 'mysqlx', 'mysql2'])],
  ),
  ...vendor('MongoDB', 'https://www.mongodb.com/docs/manual/reference/connection-string/', [
    connection('mongodb-url', ['mongodb', 'mongodb+srv']),
    prefixed('mongodb-atlas-client-secret', 'mdb_sa_sk_', '[\\w-]{40}', '{w40}', 'critical'),
    near('mongodb-atlas-api-key', ['mongodb_atlas', 'atlas_private', 'mcli_private'], UUID, '{u}', 'critical'),
  ]),
  ...vendor('Redis', 'https://redis.io/docs/latest/develop/tools/cli/#host-port-password-and-database', [
    connection('redis-url', ['redis', 'rediss', 'valkey']),
  ]),
  ...vendor('RabbitMQ', 'https://www.rabbitmq.com/docs/uri-spec', [connection('amqp-url', ['amqp', 'amqps'])]),
  ...vendor('Microsoft SQL Server', 'https://learn.microsoft.com/sql/connect/ado-net/connection-string-syntax', [
    connection('sqlserver-url', ['sqlserver', 'mssql']),
    {
      id: 'ado-net-password',
      keywords: ['password=', 'pwd='],
      pattern: '(?i:;\\s{0,3}(?:password|pwd))\\s{0,3}=\\s{0,3}([^\\s;"\'<>]{8,128})(?:;|"|\'|$)',
      secretGroup: 1,
      entropy: 2.8,
      allow: [NO_PASSWORD],
      severity: 'high',
      examples: {
        match: ['Server=db.acme.example;User Id=sa;Password={A16};Encrypt=true', '"Host=db;Username=app;pwd={w20}"'],
        miss: ['Server=db;Integrated Security=true;', 'Server=db;Password=${DB_PASSWORD};', 'Server=db;Password={A7};'],
      },
    },
  ]),
  ...vendor(
    'Oracle',
    'https://docs.oracle.com/en/database/oracle/oracle-database/23/jjdbc/data-sources-and-URLs.html',
    [
      {
        id: 'jdbc-oracle-password',
        keywords: ['jdbc:oracle:'],
        pattern: '(?i:jdbc:oracle:(?:thin|oci)):\\w{1,64}/([^\\s@"\'<>]{6,128})@',
        secretGroup: 1,
        entropy: 2.5,
        allow: [NO_PASSWORD],
        severity: 'high',
        examples: {
          match: ['jdbc:oracle:thin:scott/{A12}@//db.acme.example:1521/x', '"jdbc:oracle:oci:app/{w16}@db"'],
          miss: ['jdbc:oracle:thin:@//db.acme.example:1521/x', 'jdbc:oracle:thin:scott/password@db'],
        },
      },
      {
        id: 'jdbc-password',
        keywords: ['jdbc:'],
        pattern: '(?i:jdbc:[a-z0-9]{2,20}):[^\\s"\'<>]{4,300}[?&;](?i:password|pwd)=([^\\s&;"\'<>]{6,128})',
        secretGroup: 1,
        entropy: 2.5,
        allow: [NO_PASSWORD],
        severity: 'high',
        examples: {
          match: [
            'jdbc:postgresql://db.acme.example/app?user=app&password={A14}',
            'jdbc:sqlserver://db:1433;user=sa;password={A12};',
          ],
          miss: ['jdbc:postgresql://db.acme.example/app', 'jdbc:mysql://db/app?user=a&password=${PASS}'],
        },
      },
    ],
  ),
  ...vendor('ClickHouse', 'https://clickhouse.com/docs/interfaces/cli#connection_string', [
    connection('clickhouse-url', ['clickhouse', 'clickhouses']),
  ]),
  ...vendor('Neo4j', 'https://neo4j.com/docs/browser-manual/current/operations/dbms-connection/', [
    connection('neo4j-url', ['neo4j', 'neo4j+s', 'bolt', 'bolt+s']),
  ]),
  ...vendor('Directory and file servers', 'https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1', [
    connection('file-server-url', ['ftp', 'ftps', 'sftp', 'smb', 'ldap', 'ldaps', 'webdav', 'rsync']),
    connection('message-server-url', [
      'mqtt',
      'mqtts',
      'nats',
      'stomp',
      'kafka',
      'pulsar',
      'wss',
      'couchdb',
      'influxdb',
    ]),
  ]),
  ...vendor('PlanetScale', 'https://planetscale.com/docs/concepts/planetscale-api-oauth-applications', [
    {
      id: 'planetscale-token',
      keywords: ['pscale_'],
      pattern: 'pscale_(?:tkn|pw|oauth)_[\\w=.-]{32,64}',
      entropy: 3.2,
      severity: 'critical',
      examples: {
        match: ['pscale_tkn_{w43}', '"pscale_pw_{w43}"', 'pscale_oauth_{w32}'],
        miss: ['pscale_tkn_{w31}"', 'pscale_id_{w43}'],
      },
    },
  ]),
  ...vendor('Neon', 'https://neon.com/docs/manage/api-keys', [
    prefixed('neon-api-key', 'napi_', '[a-z0-9]{64}', '{a64}', 'critical'),
  ]),
  ...vendor('Supabase', 'https://supabase.com/docs/guides/api/api-keys', [
    prefixed('supabase-access-token', 'sbp_', '(?:oauth_)?[0-9a-f]{40}', '{x40}', 'critical'),
    prefixed('supabase-secret-key', 'sb_secret_', '[\\w-]{22,50}', '{w22}', 'critical'),
  ]),
  ...vendor('Upstash', 'https://upstash.com/docs/redis/features/restapi', [
    near('upstash-rest-token', ['upstash'], '[\\w+/-]{38,120}={0,2}', 'A{w37}', 'high', { entropy: 4 }),
  ]),
  ...vendor('Algolia', 'https://www.algolia.com/doc/guides/security/api-keys/', [
    near('algolia-admin-key', ['algolia_admin', 'algolia_api', 'algolia_write'], '[0-9a-f]{32}', '{x32}', 'high'),
  ]),
  ...vendor('Elastic', 'https://www.elastic.co/docs/deploy-manage/api-keys', [
    prefixed('elastic-cloud-key', 'essu_', '[A-Za-z0-9+/]{40,120}={0,2}', '{b40}', 'critical'),
    near('elasticsearch-api-key', ['elasticsearch', 'elastic_api'], '[A-Za-z0-9+/]{58}==', '{b58}==', 'high', {
      entropy: 4,
    }),
  ]),
  ...vendor('InfluxData', 'https://docs.influxdata.com/influxdb/v2/admin/tokens/', [
    near('influxdb-token', ['influx'], '[\\w-]{86}==', '{w86}==', 'high', { entropy: 4 }),
  ]),
  ...vendor('Fauna', 'https://docs.faunadb.org/', [
    near('fauna-secret', ['fauna'], 'fn[\\w-]{38}', 'fn{w38}', 'high', { entropy: 3.5 }),
  ]),
  ...vendor(
    'DataStax',
    'https://docs.datastax.com/en/astra-db-serverless/administration/manage-application-tokens.html',
    [prefixed('astra-token', 'AstraCS:', '[A-Za-z]{24}:[0-9a-f]{64}', '{L24}:{x64}', 'critical')],
  ),
  ...vendor('Xata', 'https://xata.io/docs', [prefixed('xata-api-key', 'xau_', '[A-Za-z0-9]{30,50}', '{A30}', 'high')]),
  ...vendor('Snowflake', 'https://docs.snowflake.com/en/user-guide/programmatic-access-tokens', [
    near('snowflake-password', ['snowflake_password', 'snowsql_pwd'], '[^\\s"\'$<{]{10,128}', '{w10}', 'high', {
      entropy: 2.5,
    }),
  ]),
  ...vendor('Tinybird', 'https://www.tinybird.co/docs/forward/administration/tokens', [
    prefixed('tinybird-token', 'p.eyJ', '[\\w-]{40,300}\\.[\\w-]{20,60}', '{w60}.{w20}', 'high', { edge: true }),
  ]),
  ...vendor('Aiven', 'https://aiven.io/docs/platform/concepts/authentication-tokens', [
    prefixed('aiven-service-password', 'AVNS_', '[\\w-]{19,24}', '{w19}', 'critical'),
  ]),
];
