import type { Rule } from '../rule.ts';
import { near, prefixed, UUID, vendor } from './shapes.ts';

/** What moves money, and shops. */
export const PAYMENT_RULES: readonly Rule[] = [
  ...vendor('Stripe', 'https://docs.stripe.com/keys', [
    {
      id: 'stripe-secret-key',
      keywords: ['sk_live_', 'sk_test_', 'sk_prod_'],
      pattern: '\\bsk_(?:live|test|prod)_[A-Za-z0-9]{16,247}',
      entropy: 3,
      allow: ['(?i:x{6}|0{8}|example|1234567)'],
      severity: 'critical',
      examples: {
        match: ['STRIPE_SECRET_KEY=sk_live_{A24}', '"sk_test_{A99}"'],
        miss: ['sk_live_{A15}"', 'pk_live_{A24}', 'sk_live_xxxxxxxxxxxxxxxxxxxxxxxx'],
      },
    },
    {
      id: 'stripe-restricted-key',
      keywords: ['rk_live_', 'rk_test_', 'rk_prod_'],
      pattern: '\\brk_(?:live|test|prod)_[A-Za-z0-9]{16,247}',
      entropy: 3,
      severity: 'critical',
      examples: { match: ['key: rk_live_{A24}', '"rk_test_{A99}"'], miss: ['rk_live_{A15}"', 'rk_dev_{A24}'] },
    },
    prefixed('stripe-webhook-secret', 'whsec_', '[A-Za-z0-9+/]{24,64}={0,2}', '{A24}', 'high', { entropy: 3.2 }),
  ]),
  ...vendor('PayPal', 'https://developer.paypal.com/api/rest/', [
    near('paypal-client-secret', ['paypal'], 'E[\\w-]{79}', 'E{w79}', 'critical', { entropy: 4 }),
    {
      id: 'braintree-access-token',
      keywords: ['access_token$'],
      pattern: 'access_token\\$(?:production|sandbox)\\$[0-9a-z]{16}\\$[0-9a-f]{32}',
      entropy: 3,
      severity: 'critical',
      examples: {
        match: ['access_token$production${a16}${x32}', '"access_token$sandbox${a16}${x32}"'],
        miss: ['access_token$testing${a16}${x32}', 'access_token$sandbox${a16}${x31}"'],
      },
    },
    near('braintree-private-key', ['braintree'], '[0-9a-f]{32}', '{x32}', 'critical'),
  ]),
  ...vendor('Square', 'https://developer.squareup.com/docs/build-basics/access-tokens', [
    prefixed('square-access-token', 'sq0atp-', '[\\w-]{22}', '{w22}', 'critical'),
    prefixed('square-oauth-secret', 'sq0csp-', '[\\w-]{43}', '{w43}', 'critical'),
    prefixed('square-application-token', 'EAAA', '[\\w-]{60}\\b', '{w59}a', 'critical', { edge: true, entropy: 4 }),
  ]),
  ...vendor('Adyen', 'https://docs.adyen.com/development-resources/api-credentials/', [
    near('adyen-api-key', ['adyen', 'x-api-key'], 'AQE[\\w+/=-]{80,300}', 'AQE{w79}a', 'critical', { entropy: 4 }),
  ]),
  ...vendor('Plaid', 'https://plaid.com/docs/api/', [
    {
      id: 'plaid-access-token',
      keywords: ['access-'],
      pattern: `access-(?:sandbox|development|production)-${UUID}`,
      entropy: 2.5,
      severity: 'critical',
      examples: {
        match: ['access-production-{u}', '{"access_token": "access-sandbox-{u}"}'],
        miss: ['access-prod-{u}', 'access-sandbox-{x8}-{x4}-{x4}-{x4}-{x11}"'],
      },
    },
    near('plaid-secret', ['plaid'], '[0-9a-f]{30}', '{x30}', 'critical'),
  ]),
  ...vendor('Razorpay', 'https://razorpay.com/docs/api/authentication/', [
    {
      id: 'razorpay-key',
      keywords: ['rzp_live_', 'rzp_test_'],
      pattern: 'rzp_(?:live|test)_[A-Za-z0-9]{14}',
      entropy: 3,
      severity: 'medium',
      examples: {
        match: ['rzp_live_{A14}', '"key_id": "rzp_test_{A14}"'],
        miss: ['rzp_live_{A13}"', 'rzp_prod_{A14}'],
      },
    },
    near('razorpay-secret', ['razorpay'], '[A-Za-z0-9]{24}', '{A24}', 'critical', { checksum: 'mixed', entropy: 3.2 }),
  ]),
  ...vendor('Flutterwave', 'https://developer.flutterwave.com/docs/authentication', [
    {
      id: 'flutterwave-secret-key',
      keywords: ['FLWSECK'],
      pattern: 'FLWSECK(?:_TEST)?-[0-9A-Za-z]{12,64}-X',
      entropy: 2.5,
      severity: 'critical',
      examples: {
        match: ['FLWSECK-{x32}-X', '"FLWSECK_TEST-{a32}-X"'],
        miss: ['FLWPUBK-{x32}-X', 'FLWSECK-{x11}-X'],
      },
    },
  ]),
  ...vendor('Mollie', 'https://docs.mollie.com/reference/authentication', [
    near('mollie-api-key', ['mollie'], '(?:live|test)_[A-Za-z0-9]{30}', 'live_{A30}', 'critical'),
  ]),
  ...vendor('GoCardless', 'https://developer.gocardless.com/api-reference/', [
    near('gocardless-token', ['gocardless'], '(?:live|sandbox)_[\\w=-]{40}', 'live_{w39}a', 'critical'),
  ]),
  ...vendor('Paddle', 'https://developer.paddle.com/api-reference/about/api-keys', [
    {
      id: 'paddle-api-key',
      keywords: ['pdl_live_', 'pdl_sdbx_'],
      pattern: 'pdl_(?:live|sdbx)_apikey_[a-z0-9]{26}_[A-Za-z0-9]{22}_[A-Za-z0-9]{3}',
      entropy: 3.5,
      severity: 'critical',
      examples: {
        match: ['pdl_live_apikey_{a26}_{A22}_{A3}', '"pdl_sdbx_apikey_{a26}_{A22}_{A3}"'],
        miss: ['pdl_live_apikey_{a26}_{A21}_{A3}', 'pdl_test_apikey_{a26}_{A22}_{A3}'],
      },
    },
  ]),
  ...vendor('Shopify', 'https://shopify.dev/docs/api/usage/authentication', [
    prefixed('shopify-access-token', 'shpat_', '[0-9A-Fa-f]{32}', '{x32}', 'critical'),
    prefixed('shopify-custom-access-token', 'shpca_', '[0-9A-Fa-f]{32}', '{x32}', 'critical'),
    prefixed('shopify-private-app-token', 'shppa_', '[0-9A-Fa-f]{32}', '{x32}', 'critical'),
    prefixed('shopify-shared-secret', 'shpss_', '[0-9A-Fa-f]{32}', '{x32}', 'critical'),
  ]),
  ...vendor('Coinbase', 'https://docs.cdp.coinbase.com/get-started/authentication/overview', [
    near('coinbase-access-token', ['coinbase'], '[\\w-]{64}', '{w64}', 'critical', { entropy: 4 }),
  ]),
  ...vendor('Binance', 'https://developers.binance.com/docs/binance-spot-api-docs/rest-api/request-security', [
    near('binance-api-secret', ['binance'], '[A-Za-z0-9]{64}', '{A64}', 'critical', { checksum: 'mixed', entropy: 4 }),
  ]),
  ...vendor('Kraken', 'https://docs.kraken.com/api/docs/guides/spot-rest-auth', [
    near('kraken-private-key', ['kraken'], '[A-Za-z0-9+/]{86}==', '{b86}==', 'critical', { entropy: 4 }),
  ]),
  ...vendor('Wise', 'https://docs.wise.com/api-docs/features/authentication-access', [
    near('wise-api-token', ['transferwise', 'wise_api', 'wise_token'], UUID, '{u}', 'high'),
  ]),
  ...vendor('Dwolla', 'https://developers.dwolla.com/docs/auth', [
    near('dwolla-secret', ['dwolla'], '[A-Za-z0-9]{50}', '{A50}', 'critical', { checksum: 'mixed' }),
  ]),
  ...vendor('Recurly', 'https://recurly.com/developers/api/', [
    near('recurly-api-key', ['recurly'], '[0-9a-f]{32}', '{x32}', 'high'),
  ]),
  ...vendor('Chargebee', 'https://apidocs.chargebee.com/docs/api/auth', [
    near('chargebee-api-key', ['chargebee'], '(?:live|test)_[A-Za-z0-9]{32,64}', 'live_{A32}', 'critical'),
  ]),
  ...vendor('Brex', 'https://developer.brex.com/docs/authentication/', [
    prefixed('brex-token', 'bxt_', '[A-Za-z0-9]{32,64}', '{A32}', 'critical'),
  ]),
  ...vendor('Klarna', 'https://docs.klarna.com/api/authentication/', [
    {
      id: 'klarna-api-key',
      keywords: ['klarna_live_api_', 'klarna_test_api_'],
      pattern: 'klarna_(?:live|test)_api_[A-Za-z0-9_~+/=-]{32,200}',
      entropy: 3.5,
      severity: 'critical',
      examples: {
        match: ['klarna_live_api_{b60}', '"klarna_test_api_{A90}"'],
        miss: ['klarna_prod_api_{A60}', 'klarna_live_api_{A31}"'],
      },
    },
  ]),
];
