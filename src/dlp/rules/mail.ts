import type { Rule } from '../rule.ts';
import { near, prefixed, UUID, vendor } from './shapes.ts';

/** Mail, text messages and telephone calls. */
export const MAIL_RULES: readonly Rule[] = [
  ...vendor('Twilio SendGrid', 'https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys', [
    prefixed('sendgrid-api-key', 'SG.', '[\\w-]{20,24}\\.[\\w-]{39,50}', '{w22}.{w39}', 'critical', { edge: true }),
  ]),
  ...vendor('Twilio', 'https://www.twilio.com/docs/iam/api-keys', [
    prefixed('twilio-api-key', 'SK', '[0-9a-f]{32}\\b', '{x32}', 'high', { edge: true }),
    near('twilio-auth-token', ['twilio'], '[0-9a-f]{32}', '{x32}', 'critical'),
  ]),
  ...vendor('Mailgun', 'https://documentation.mailgun.com/docs/mailgun/api-reference/mg-auth', [
    prefixed('mailgun-private-key', 'key-', '[0-9a-f]{32}\\b', '{x32}', 'critical', { edge: true }),
    near('mailgun-api-key', ['mailgun'], '[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}', '{x32}-{x8}-{x8}', 'critical'),
  ]),
  ...vendor('Mailchimp', 'https://mailchimp.com/developer/marketing/guides/quick-start/', [
    {
      id: 'mailchimp-api-key',
      keywords: ['-us'],
      pattern: '\\b[0-9a-f]{32}-us[0-9]{1,2}\\b',
      entropy: 3,
      severity: 'high',
      examples: { match: ['MAILCHIMP_KEY={x32}-us20', '"{x32}-us1"'], miss: ['{x31}-us20', '{x32}-eu2'] },
    },
    prefixed('mandrill-api-key', 'md-', '[\\w-]{22}\\b', '{w21}a', 'high', {
      edge: true,
      entropy: 3.2,
      checksum: 'mixed',
    }),
  ]),
  ...vendor('Postmark', 'https://postmarkapp.com/developer/api/overview', [
    near('postmark-server-token', ['postmark'], UUID, '{u}', 'high'),
  ]),
  ...vendor('SparkPost', 'https://developers.sparkpost.com/api/', [
    near('sparkpost-api-key', ['sparkpost'], '[0-9a-f]{40}', '{x40}', 'high'),
  ]),
  ...vendor('Brevo', 'https://developers.brevo.com/docs/getting-started', [
    prefixed('brevo-api-key', 'xkeysib-', '[0-9a-f]{64}-[A-Za-z0-9]{16}', '{x64}-{A16}', 'critical'),
    prefixed('brevo-smtp-key', 'xsmtpsib-', '[0-9a-f]{64}-[A-Za-z0-9]{16}', '{x64}-{A16}', 'critical'),
  ]),
  ...vendor('Resend', 'https://resend.com/docs/api-reference/introduction', [
    prefixed('resend-api-key', 're_', '[A-Za-z0-9]{8}_[A-Za-z0-9]{24}', '{A8}_{A24}', 'critical', {
      edge: true,
      entropy: 3.5,
    }),
  ]),
  ...vendor('Mailjet', 'https://dev.mailjet.com/email/guides/getting-started/', [
    near('mailjet-secret', ['mailjet', 'mj_apikey'], '[0-9a-f]{32}', '{x32}', 'high'),
  ]),
  ...vendor('MailerSend', 'https://developers.mailersend.com/general.html#authentication', [
    prefixed('mailersend-api-token', 'mlsn.', '[0-9a-f]{64}', '{x64}', 'high'),
  ]),
  ...vendor('Klaviyo', 'https://developers.klaviyo.com/en/docs/authenticate_', [
    prefixed('klaviyo-private-key', 'pk_', '[0-9a-f]{34}\\b', '{x34}', 'high', { edge: true }),
  ]),
  ...vendor('Vonage', 'https://developer.vonage.com/en/account/secret-management', [
    near('vonage-api-secret', ['vonage', 'nexmo'], '[A-Za-z0-9]{16}', '{A16}', 'high', {
      checksum: 'mixed',
      entropy: 3,
    }),
  ]),
  ...vendor('Bird', 'https://docs.bird.com/api/api-access/api-authorization', [
    near('messagebird-access-key', ['messagebird', 'bird_api'], '[A-Za-z0-9]{25}', '{A25}', 'high', {
      checksum: 'mixed',
      entropy: 3.2,
    }),
  ]),
  ...vendor('Plivo', 'https://www.plivo.com/docs/messaging/api/overview', [
    near('plivo-auth-token', ['plivo'], '[A-Za-z0-9+/]{40}', '{A40}', 'high', { checksum: 'mixed' }),
  ]),
  ...vendor('Telnyx', 'https://developers.telnyx.com/development/api-fundamentals/authentication', [
    prefixed('telnyx-api-key', 'KEY', '[0-9A-F]{32}_[A-Za-z0-9]{22}', '{X32}_{A22}', 'critical', { edge: true }),
  ]),
  ...vendor('Sinch', 'https://developers.sinch.com/docs/', [
    near('sinch-secret', ['sinch'], '[0-9a-f]{32}', '{x32}', 'high'),
  ]),
  ...vendor('Customer.io', 'https://docs.customer.io/integrations/api/track/', [
    near('customerio-api-key', ['customerio', 'customer.io'], '[0-9a-f]{20,32}', '{x20}', 'medium'),
  ]),
  ...vendor('Courier', 'https://www.courier.com/docs/reference/intro/', [
    prefixed('courier-api-key', 'pk_prod_', '[A-Z0-9]{28}', '{U28}', 'high'),
  ]),
  ...vendor('Elastic Email', 'https://elasticemail.com/developers/api-documentation', [
    near('elasticemail-api-key', ['elasticemail', 'elastic_email'], '[0-9A-F]{96}', '{X96}', 'high'),
  ]),
  ...vendor('Any mail server', 'https://www.rfc-editor.org/rfc/rfc5321', [
    {
      id: 'smtp-url-password',
      keywords: ['smtp://', 'smtps://', 'imap://', 'imaps://'],
      pattern: '(?i:smtps?|imaps?|pop3s?)://[^\\s:/@"\'<>]{1,128}:([^\\s:/@"\'<>]{6,128})@[\\w.-]{3,255}',
      secretGroup: 1,
      entropy: 2.5,
      allow: ['^(?i:password|passwd|secret|changeme|[$%{<].*|\\*+)$'],
      severity: 'high',
      examples: {
        match: ['smtp://mailer:{A16}@mail.acme.example:587', 'MAIL=smtps://me%40acme.example:{w20}@smtp.acme.example'],
        miss: ['smtp://mail.acme.example:587', 'smtp://mailer:password@mail.acme.example'],
      },
    },
  ]),
];
