import type { Rule } from '../rule.ts';
import { near, prefixed, UUID, vendor } from './shapes.ts';

/** Logs, metrics, traces, errors and flags. */
export const MONITORING_RULES: readonly Rule[] = [
  ...vendor('Datadog', 'https://docs.datadoghq.com/account_management/api-app-keys/', [
    near(
      'datadog-api-key',
      ['datadog', 'dd_api_key', 'dd-api-key', 'dd_app_key'],
      '[0-9a-f]{32}(?:[0-9a-f]{8})?',
      '{x32}',
      'high',
    ),
  ]),
  ...vendor('New Relic', 'https://docs.newrelic.com/docs/apis/intro-apis/new-relic-api-keys/', [
    prefixed('newrelic-user-key', 'NRAK-', '[A-Z0-9]{27}', '{U27}', 'high'),
    prefixed('newrelic-insights-key', 'NRIQ-', '[\\w-]{32}', '{w32}', 'high'),
    prefixed('newrelic-insert-key', 'NRII-', '[\\w-]{32}', '{w32}', 'medium'),
    prefixed('newrelic-browser-key', 'NRJS-', '[0-9a-f]{19}', '{x19}', 'low'),
    near(
      'newrelic-license-key',
      ['new_relic_license', 'newrelic', 'new_relic'],
      '[0-9a-f]{36}NRAL',
      '{x36}NRAL',
      'high',
    ),
  ]),
  ...vendor('Grafana', 'https://grafana.com/docs/grafana/latest/administration/service-accounts/', [
    prefixed('grafana-service-account-token', 'glsa_', '[A-Za-z0-9]{32}_[0-9A-Fa-f]{8}', '{A32}_{x8}', 'high'),
    prefixed('grafana-cloud-token', 'glc_', '[A-Za-z0-9+/]{32,400}={0,3}', '{b32}', 'high', {
      edge: true,
      entropy: 3.5,
    }),
    prefixed('grafana-api-key', 'eyJrIjoi', '[A-Za-z0-9]{70,400}={0,3}', '{A70}', 'high', { edge: true, entropy: 3.5 }),
  ]),
  ...vendor('Sentry', 'https://docs.sentry.io/account/auth-tokens/', [
    prefixed('sentry-organization-token', 'sntrys_', 'eyJ[A-Za-z0-9+/=_]{80,400}', 'eyJ{b80}', 'high'),
    prefixed('sentry-user-token', 'sntryu_', '[0-9a-f]{64}', '{x64}', 'high'),
    near('sentry-legacy-token', ['sentry'], '[0-9a-f]{64}', '{x64}', 'high'),
  ]),
  ...vendor(
    'Dynatrace',
    'https://docs.dynatrace.com/docs/manage/identity-access-management/access-tokens-and-oauth-clients/access-tokens',
    [
      prefixed('dynatrace-api-token', 'dt0c01.', '[A-Z0-9]{24}\\.[A-Z0-9]{64}', '{U24}.{U64}', 'critical'),
      prefixed('dynatrace-platform-token', 'dt0s16.', '[A-Z0-9]{8}\\.[A-Z0-9]{64}', '{U8}.{U64}', 'critical'),
    ],
  ),
  ...vendor('Honeycomb', 'https://docs.honeycomb.io/configure/environments/manage-api-keys/', [
    near('honeycomb-api-key', ['honeycomb', 'x-honeycomb-team'], '[A-Za-z0-9]{22,32}', '{A22}', 'medium', {
      checksum: 'mixed',
      entropy: 3.2,
    }),
    prefixed('honeycomb-ingest-key', 'hcaik_', '[a-z0-9]{58}', '{a58}', 'medium'),
  ]),
  ...vendor('Splunk', 'https://docs.splunk.com/Documentation/Splunk/latest/Data/UsetheHTTPEventCollector', [
    near('splunk-hec-token', ['splunk'], UUID, '{u}', 'high'),
  ]),
  ...vendor('Sumo Logic', 'https://help.sumologic.com/docs/manage/security/access-keys/', [
    near('sumologic-access-key', ['sumologic', 'sumo_access', 'sumo_logic'], '[A-Za-z0-9]{64}', '{A64}', 'high', {
      checksum: 'mixed',
    }),
  ]),
  ...vendor('Logz.io and Loggly', 'https://documentation.solarwinds.com/en/success_center/loggly/', [
    near('loggly-token', ['loggly'], UUID, '{u}', 'medium'),
    near('logzio-token', ['logzio', 'logz_io'], '[A-Za-z]{32}', '{L32}', 'medium', { checksum: 'mixed', entropy: 3.5 }),
  ]),
  ...vendor('Rollbar', 'https://docs.rollbar.com/docs/access-tokens', [
    near('rollbar-token', ['rollbar'], '[0-9a-f]{32}', '{x32}', 'medium'),
  ]),
  ...vendor('Bugsnag', 'https://docs.bugsnag.com/api/', [
    near('bugsnag-api-key', ['bugsnag'], '[0-9a-f]{32}', '{x32}', 'low'),
  ]),
  ...vendor('PostHog', 'https://posthog.com/docs/api', [
    prefixed('posthog-personal-key', 'phx_', '[A-Za-z0-9]{43,50}', '{A43}', 'high', { edge: true }),
  ]),
  ...vendor('Mixpanel and Amplitude', 'https://developer.mixpanel.com/reference/authentication', [
    near('mixpanel-secret', ['mixpanel'], '[0-9a-f]{32}', '{x32}', 'medium'),
    near('amplitude-secret', ['amplitude_secret', 'amplitude_api'], '[0-9a-f]{32}', '{x32}', 'medium'),
  ]),
  ...vendor('Segment', 'https://segment.com/docs/segment-app/iam/', [
    prefixed('segment-public-api-token', 'sgp_seg_', '[A-Za-z0-9]{40,80}', '{A40}', 'high'),
  ]),
  ...vendor('Better Stack', 'https://betterstack.com/docs/logs/', [
    near('betterstack-token', ['betterstack', 'logtail', 'better_stack'], '[A-Za-z0-9]{24}', '{A24}', 'medium', {
      checksum: 'mixed',
      entropy: 3.2,
    }),
  ]),
  ...vendor('Statuspage and uptime monitors', 'https://uptimerobot.com/api/', [
    near(
      'uptimerobot-api-key',
      ['uptimerobot', 'uptime_robot'],
      '[um][0-9]{6,10}-[0-9a-f]{24}',
      'u{d7}-{x24}',
      'medium',
    ),
  ]),
];
