import type { Rule } from '../rule.ts';
import { near, prefixed, UUID, vendor } from './shapes.ts';

/** Chat, social networks and who gets called at night. */
export const CHAT_RULES: readonly Rule[] = [
  ...vendor('Slack', 'https://docs.slack.dev/authentication/tokens', [
    prefixed(
      'slack-bot-token',
      'xoxb-',
      '[0-9]{10,13}-[0-9]{10,13}-[A-Za-z0-9]{20,34}',
      '{d11}-{d11}-{A20}',
      'critical',
    ),
    prefixed(
      'slack-user-token',
      'xoxp-',
      '(?:[0-9]{10,13}-){3}[A-Za-z0-9]{28,34}',
      '{d11}-{d11}-{d11}-{A28}',
      'critical',
    ),
    {
      id: 'slack-legacy-token',
      keywords: ['xoxo-', 'xoxs-', 'xoxa-', 'xoxr-'],
      pattern: 'xox[osar]-(?:[0-9]-)?[0-9A-Za-z-]{20,150}',
      entropy: 3,
      checksum: 'mixed',
      severity: 'critical',
      examples: {
        match: ['xoxa-2-{d11}-{d11}-{x32}', '"xoxs-{d11}-{d11}-{x10}"'],
        miss: ['xoxz-{d11}-{x32}', 'xoxs-{A18}"'],
      },
    },
    prefixed('slack-configuration-token', 'xoxe.xox', '[bp]-[0-9]-[A-Za-z0-9]{140,180}', 'p-1-{A140}', 'critical'),
    prefixed('slack-refresh-token', 'xoxe-', '[0-9]-[A-Za-z0-9]{140,180}', '1-{A140}', 'critical'),
    prefixed(
      'slack-app-token',
      'xapp-',
      '[0-9]-[A-Z0-9]{8,13}-[0-9]{10,13}-[a-z0-9]{60,70}',
      '1-A{U10}-{d13}-{x60}',
      'critical',
    ),
    prefixed('slack-cookie', 'xoxd-', '[A-Za-z0-9%/+=-]{80,200}', '{A80}', 'critical', { entropy: 3.5 }),
    {
      id: 'slack-webhook',
      keywords: ['hooks.slack.com/'],
      pattern: '(?i:hooks\\.slack\\.com)/(?:services|workflows|triggers)/([A-Za-z0-9+/]{40,60})',
      secretGroup: 1,
      entropy: 3,
      severity: 'high',
      examples: {
        match: [
          'https://hooks.slack.com/services/T{U10}/B{U10}/{A24}',
          'hooks.slack.com/workflows/T{U10}/A{U10}/{d18}/{A8}',
        ],
        miss: ['https://hooks.slack.com/services/T{U9}', 'https://slack.com/services/T{U10}/B{U10}/{A24}'],
      },
    },
  ]),
  ...vendor('Discord', 'https://discord.com/developers/docs/reference#authentication', [
    near(
      'discord-bot-token',
      ['discord', 'bot_token', 'bot '],
      '[MNO][\\w-]{23,27}\\.[\\w-]{6}\\.[\\w-]{27,38}',
      'M{A23}.{A6}.{A27}',
      'critical',
    ),
    {
      id: 'discord-webhook',
      keywords: ['webhooks/'],
      pattern: '(?i:discord(?:app)?\\.com)/api/(?:v[0-9]{1,2}/)?webhooks/[0-9]{17,20}/([\\w-]{60,80})',
      secretGroup: 1,
      entropy: 3.5,
      severity: 'high',
      examples: {
        match: ['https://discord.com/api/webhooks/{d18}/{w68}', 'https://discordapp.com/api/v10/webhooks/{d19}/{w60}'],
        miss: ['https://discord.com/api/webhooks/{d18}', 'https://discord.com/api/webhooks/{d16}/{w68}'],
      },
    },
    near('discord-client-secret', ['discord_client_secret', 'discord_secret'], '[\\w-]{32}', '{w32}', 'high', {
      entropy: 3.5,
    }),
  ]),
  ...vendor('Telegram', 'https://core.telegram.org/bots/api#authorizing-your-bot', [
    {
      id: 'telegram-bot-token',
      keywords: [':AA'],
      pattern: '\\b[0-9]{8,10}:(AA[\\w-]{33})(?:[^\\w-]|$)',
      secretGroup: 1,
      entropy: 3.2,
      severity: 'critical',
      examples: {
        match: ['BOT_TOKEN={d10}:AA{w33}', 'https://api.telegram.org/bot/{d8}:AA{w33}/getMe'],
        miss: ['{d10}:AB{w33}', '{d10}:AA{w32}', '{d7}:AA{w33}'],
      },
    },
  ]),
  ...vendor(
    'Microsoft Teams',
    'https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/what-are-webhooks-and-connectors',
    [
      {
        id: 'teams-webhook',
        keywords: ['webhook.office.com/webhookb2/'],
        pattern: `(?i:webhook\\.office\\.com)/webhookb2/(${UUID}@${UUID}/IncomingWebhook/[0-9a-f]{32}/${UUID})`,
        secretGroup: 1,
        severity: 'high',
        examples: {
          match: [
            'https://acme.webhook.office.com/webhookb2/{u}@{u}/IncomingWebhook/{x32}/{u}',
            '"acme.webhook.office.com/webhookb2/{u}@{u}/IncomingWebhook/{x32}/{u}"',
          ],
          miss: [
            'https://acme.webhook.office.com/webhookb2/{u}',
            'https://office.com/webhookb2/{u}@{u}/IncomingWebhook/{x32}/{u}',
          ],
        },
      },
    ],
  ),
  ...vendor('Google Chat', 'https://developers.google.com/workspace/chat/quickstart/webhooks', [
    {
      id: 'google-chat-webhook',
      keywords: ['chat.googleapis.com/'],
      pattern:
        '(?i:chat\\.googleapis\\.com)/v1/spaces/[\\w-]{6,32}/messages\\?key=([\\w-]{30,50}&(?:amp;)?token=[\\w%=-]{30,90})',
      secretGroup: 1,
      severity: 'high',
      examples: {
        match: [
          'https://chat.googleapis.com/v1/spaces/AAAA{A7}/messages?key={w39}&token={w43}',
          '"chat.googleapis.com/v1/spaces/{A11}/messages?key={w39}&token={w43}%3D"',
        ],
        miss: [
          'https://chat.googleapis.com/v1/spaces/AAAA{A7}/messages',
          'https://chat.googleapis.com/v1/spaces/AAAA{A7}/messages?key={w29}',
        ],
      },
    },
  ]),
  ...vendor('Matrix', 'https://spec.matrix.org/latest/client-server-api/#client-authentication', [
    prefixed(
      'matrix-access-token',
      'syt_',
      '[A-Za-z0-9+/=_-]{4,100}_[A-Za-z]{20}_[A-Za-z0-9]{6}',
      '{A8}_{L20}_{A6}',
      'critical',
    ),
  ]),
  ...vendor('Mattermost', 'https://developers.mattermost.com/integrate/reference/personal-access-token/', [
    near('mattermost-token', ['mattermost'], '[a-z0-9]{26}', '{a26}', 'high', { checksum: 'mixed', entropy: 3.2 }),
  ]),
  ...vendor('Zulip', 'https://zulip.com/api/api-keys', [
    near('zulip-api-key', ['zulip'], '[A-Za-z0-9]{32}', '{A32}', 'high', { checksum: 'mixed', entropy: 3.2 }),
  ]),
  ...vendor('Rocket.Chat', 'https://developer.rocket.chat/apidocs', [
    near('rocketchat-token', ['rocketchat', 'rocket.chat', 'x-auth-token'], '[\\w-]{43}', '{w43}', 'high', {
      entropy: 3.8,
    }),
  ]),
  ...vendor('Gitter', 'https://developer.gitter.im/docs/authentication', [
    near('gitter-token', ['gitter'], '[0-9a-f]{40}', '{x40}', 'medium'),
  ]),
  ...vendor('Meta', 'https://developers.facebook.com/docs/facebook-login/guides/access-tokens', [
    prefixed('facebook-access-token', 'EAA', '[A-Za-z0-9]{90,400}', '{A90}', 'critical', { edge: true, entropy: 4 }),
    near('facebook-app-secret', ['facebook', 'fb_app_secret', 'instagram'], '[0-9a-f]{32}', '{x32}', 'critical'),
  ]),
  ...vendor('X', 'https://docs.x.com/resources/fundamentals/authentication/overview', [
    prefixed(
      'twitter-bearer-token',
      'AAAAAAAAAAAAAAAAAAAAA',
      '[B-Za-z0-9%][A-Za-z0-9%]{59,110}',
      'b{A59}',
      'critical',
      {
        entropy: 3.2,
      },
    ),
    near('twitter-access-token', ['twitter'], '[0-9]{15,20}-[A-Za-z0-9]{40}', '{d18}-{A40}', 'critical'),
    near(
      'twitter-secret',
      ['twitter_api_secret', 'twitter_secret', 'twitter_access_token_secret'],
      '[A-Za-z0-9]{45,50}',
      '{A45}',
      'critical',
      {
        checksum: 'mixed',
      },
    ),
  ]),
  ...vendor('LinkedIn', 'https://learn.microsoft.com/linkedin/shared/authentication/authentication', [
    near(
      'linkedin-client-secret',
      ['linkedin'],
      'WPL_AP[01]\\.[A-Za-z0-9]{16}\\.[A-Za-z0-9+/]{6}==',
      'WPL_AP1.{A16}.{A6}==',
      'high',
    ),
  ]),
  ...vendor('Twitch', 'https://dev.twitch.tv/docs/authentication/', [
    near('twitch-token', ['twitch', 'oauth'], '(?:oauth:)?[a-z0-9]{30}', '{a30}', 'high', {
      checksum: 'mixed',
      entropy: 3.2,
    }),
  ]),
  ...vendor('LINE', 'https://developers.line.biz/en/docs/messaging-api/channel-access-tokens/', [
    near('line-channel-token', ['line_channel', 'channel_access_token'], '[A-Za-z0-9+/]{150,180}=', '{b150}=', 'high', {
      entropy: 4,
    }),
  ]),
  ...vendor('Zoom', 'https://developers.zoom.us/docs/integrations/oauth/', [
    near('zoom-client-secret', ['zoom'], '[A-Za-z0-9]{32}', '{A32}', 'high', { checksum: 'mixed', entropy: 3.5 }),
  ]),
  ...vendor('PagerDuty', 'https://support.pagerduty.com/main/docs/api-access-keys', [
    near('pagerduty-api-key', ['pagerduty', 'pager_duty'], '[\\w+-]{20}', 'u+{w18}', 'high', {
      entropy: 3.2,
      checksum: 'mixed',
    }),
    near(
      'pagerduty-integration-key',
      ['pagerduty_routing', 'pagerduty_integration', 'routing_key'],
      '[0-9a-f]{32}',
      '{x32}',
      'medium',
    ),
  ]),
  ...vendor('Opsgenie', 'https://support.atlassian.com/opsgenie/docs/api-key-management/', [
    near('opsgenie-api-key', ['opsgenie', 'geniekey'], UUID, '{u}', 'high'),
  ]),
];
