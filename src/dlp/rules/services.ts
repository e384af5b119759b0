import type { Rule } from '../rule.ts';
import { near, prefixed, UUID, vendor } from './shapes.ts';

/** Networks, hosting of web sites, identity, offices, maps and the rest. */
export const SERVICE_RULES: readonly Rule[] = [
  ...vendor('Cloudflare', 'https://developers.cloudflare.com/fundamentals/api/get-started/create-token/', [
    near('cloudflare-api-token', ['cloudflare', 'cf_api_token', 'cf_token'], '[\\w-]{40}', '{w40}', 'critical', {
      entropy: 3.8,
    }),
    near('cloudflare-global-key', ['cloudflare', 'x-auth-key', 'cf_api_key'], '[0-9a-f]{37}', '{x37}', 'critical'),
    prefixed('cloudflare-origin-ca-key', 'v1.0-', '[0-9a-f]{24}-[0-9a-f]{146}', '{x24}-{x146}', 'critical', {
      edge: true,
    }),
  ]),
  ...vendor('Fly.io', 'https://fly.io/docs/security/tokens/', [
    prefixed('fly-access-token', 'fo1_', '[\\w-]{43}', '{w43}', 'critical', { edge: true }),
    {
      id: 'fly-macaroon',
      keywords: ['fm1r_', 'fm1a_', 'fm2_'],
      pattern: '\\bfm(?:1[ar]|2)_[A-Za-z0-9+/]{100,1000}={0,3}',
      entropy: 4,
      severity: 'critical',
      examples: { match: ['FLY_API_TOKEN=fm2_{b120}==', '"FlyV1 fm1r_{b200}="'], miss: ['fm2_{b99}"', 'fm3_{b120}'] },
    },
  ]),
  ...vendor('Netlify', 'https://docs.netlify.com/api/get-started/', [
    prefixed('netlify-pat', 'nfp_', '[A-Za-z0-9]{36}', '{A36}', 'critical'),
    near('netlify-legacy-token', ['netlify'], '[\\w-]{40,46}', '{w40}', 'high', { entropy: 3.8 }),
  ]),
  ...vendor('Vercel', 'https://vercel.com/docs/rest-api/reference/welcome', [
    {
      id: 'vercel-token',
      keywords: ['vcp_', 'vci_', 'vca_', 'vcr_', 'vck_'],
      pattern: '\\bvc[pcirak]_[A-Za-z0-9]{24,80}',
      entropy: 3.5,
      severity: 'critical',
      examples: { match: ['VERCEL_TOKEN=vcp_{A56}', '"vck_{A24}"'], miss: ['vcp_{A23}"', 'vcx_{A56}'] },
    },
    near('vercel-legacy-token', ['vercel'], '[A-Za-z0-9]{24}', '{A24}', 'high', { checksum: 'mixed', entropy: 3.4 }),
  ]),
  ...vendor('Render', 'https://render.com/docs/api', [
    prefixed('render-api-key', 'rnd_', '[A-Za-z0-9]{32}', '{A32}', 'critical', { edge: true }),
  ]),
  ...vendor('Railway', 'https://docs.railway.com/guides/public-api', [
    near('railway-token', ['railway'], UUID, '{u}', 'high'),
  ]),
  ...vendor('Fastly', 'https://docs.fastly.com/en/guides/using-api-tokens', [
    near('fastly-api-token', ['fastly'], '[\\w-]{32}', '{w32}', 'high', { entropy: 3.6 }),
  ]),
  ...vendor('Akamai', 'https://techdocs.akamai.com/developer/docs/edgegrid', [
    prefixed('akamai-edgegrid-token', 'akab-', '[a-z0-9]{16}-[a-z0-9]{16}', '{a16}-{a16}', 'high'),
  ]),
  ...vendor('Tailscale', 'https://tailscale.com/kb/1215/oauth-clients', [
    {
      id: 'tailscale-key',
      keywords: ['tskey-'],
      pattern: 'tskey-(?:api|auth|client|scim|webhook)-[A-Za-z0-9]{5,20}-[A-Za-z0-9]{20,64}',
      entropy: 3.2,
      severity: 'critical',
      examples: {
        match: ['TS_AUTHKEY=tskey-auth-{A12}CNTRL-{A32}', '"tskey-api-{A10}-{A32}"'],
        miss: ['tskey-auth-{A12}-{A19}"', 'tskey-node-{A12}-{A32}'],
      },
    },
  ]),
  ...vendor('ngrok', 'https://ngrok.com/docs/agent/', [
    near('ngrok-authtoken', ['ngrok', 'authtoken'], '[A-Za-z0-9]{27}_[A-Za-z0-9]{20,22}', '{A27}_{A20}', 'high'),
    prefixed('ngrok-credential', 'cr_', '[A-Za-z0-9]{27}\\b', '{A27}', 'medium', {
      edge: true,
      entropy: 3.6,
      checksum: 'mixed',
    }),
  ]),
  ...vendor('Okta', 'https://developer.okta.com/docs/guides/create-an-api-token/', [
    near('okta-api-token', ['okta', 'ssws'], '00[\\w-]{39}[\\w]', '00{w39}{A1}', 'critical', { entropy: 3.8 }),
    prefixed('okta-ssws-header', 'SSWS 00', '[\\w-]{40}', '{w40}', 'critical'),
  ]),
  ...vendor('Auth0', 'https://auth0.com/docs/get-started/applications', [
    near('auth0-client-secret', ['auth0'], '[\\w-]{64}', '{w64}', 'critical', { entropy: 4 }),
  ]),
  ...vendor('Clerk', 'https://clerk.com/docs/deployments/clerk-environment-variables', [
    near('clerk-secret-key', ['clerk'], 'sk_(?:live|test)_[A-Za-z0-9]{40,50}', 'sk_live_{A40}', 'critical'),
  ]),
  ...vendor('WorkOS', 'https://workos.com/docs/glossary/api-key', [
    near('workos-api-key', ['workos'], 'sk_(?:live_|test_)?[A-Za-z0-9]{32,80}', 'sk_live_{A32}', 'critical'),
  ]),
  ...vendor('Airtable', 'https://airtable.com/developers/web/guides/personal-access-tokens', [
    prefixed('airtable-pat', 'pat', '[A-Za-z0-9]{14}\\.[0-9a-f]{64}', '{A14}.{x64}', 'critical', { edge: true }),
    near('airtable-api-key', ['airtable'], 'key[A-Za-z0-9]{14}', 'key{A14}', 'high', { entropy: 3 }),
  ]),
  ...vendor('Notion', 'https://developers.notion.com/docs/authorization', [
    prefixed('notion-token', 'ntn_', '[A-Za-z0-9]{43,50}', '{A43}', 'critical', { edge: true }),
    prefixed('notion-legacy-token', 'secret_', '[A-Za-z0-9]{43}\\b', '{A43}', 'critical', { edge: true, entropy: 4 }),
  ]),
  ...vendor('Linear', 'https://linear.app/developers/graphql', [
    prefixed('linear-api-key', 'lin_api_', '[A-Za-z0-9]{40}', '{A40}', 'critical'),
    prefixed('linear-oauth-token', 'lin_oauth_', '[0-9a-f]{64}', '{x64}', 'critical'),
    near('linear-client-secret', ['linear'], '[0-9a-f]{32}', '{x32}', 'high'),
  ]),
  ...vendor('Figma', 'https://developers.figma.com/docs/rest-api/authentication/', [
    prefixed('figma-pat', 'figd_', '[\\w-]{38,60}', '{w38}', 'high', { edge: true }),
    prefixed('figma-oauth-token', 'figu_', '[\\w-]{38,60}', '{w38}', 'high', { edge: true }),
  ]),
  ...vendor('Asana', 'https://developers.asana.com/docs/personal-access-token', [
    near('asana-pat', ['asana'], '[0-2]/[0-9]{10,20}(?:/[0-9]{10,20})?:[0-9a-f]{32}', '1/{d16}:{x32}', 'high'),
  ]),
  ...vendor('ClickUp', 'https://developer.clickup.com/docs/authentication', [
    prefixed('clickup-token', 'pk_', '[0-9]{5,10}_[A-Z0-9]{32}', '{d8}_{U32}', 'high', { edge: true }),
  ]),
  ...vendor('Monday', 'https://developer.monday.com/api-reference/docs/authentication', [
    near('monday-signing-secret', ['monday_signing', 'monday_client_secret'], '[0-9a-f]{32}', '{x32}', 'high'),
  ]),
  ...vendor('Typeform', 'https://www.typeform.com/developers/get-started/personal-access-token/', [
    prefixed('typeform-pat', 'tfp_', '[\\w.=-]{40,64}', '{w40}', 'high', { edge: true }),
  ]),
  ...vendor('Postman', 'https://learning.postman.com/docs/developer/postman-api/authentication/', [
    prefixed('postman-api-key', 'PMAK-', '[0-9a-f]{24}-[0-9a-f]{34}', '{x24}-{x34}', 'critical'),
    prefixed('postman-collection-key', 'PMAT-', '[0-9A-Z]{26}', '{U26}', 'medium'),
  ]),
  ...vendor('Dropbox', 'https://developers.dropbox.com/oauth-guide', [
    prefixed('dropbox-short-lived-token', 'sl.', '[\\w-]{130,250}', '{w130}', 'high', { edge: true, entropy: 4 }),
  ]),
  ...vendor('HubSpot', 'https://developers.hubspot.com/docs/guides/apps/private-apps/overview', [
    {
      id: 'hubspot-private-app-token',
      keywords: ['pat-na1-', 'pat-eu1-', 'pat-na2-', 'pat-ap1-'],
      pattern: `pat-(?:na|eu|ap)[0-9]-${UUID}`,
      entropy: 2.5,
      severity: 'critical',
      examples: {
        match: ['HUBSPOT_TOKEN=pat-na1-{u}', '"pat-eu1-{u}"'],
        miss: ['pat-xx1-{u}', 'pat-na1-{x8}-{x4}-{x4}-{x4}-{x11}"'],
      },
    },
  ]),
  ...vendor('Salesforce', 'https://help.salesforce.com/s/articleView?id=xcloud.remoteaccess_oauth_flows.htm', [
    {
      id: 'salesforce-session-id',
      keywords: ['00D'],
      pattern: '\\b00D[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?![\\w.]{80,120}',
      entropy: 4,
      severity: 'critical',
      examples: {
        match: ['Authorization: Bearer 00D{A12}!{A90}', '"00D{A15}!{A96}"'],
        miss: ['00D{A12}!{A79}"', '00E{A12}!{A96}'],
      },
    },
  ]),
  ...vendor('Zendesk', 'https://developer.zendesk.com/api-reference/introduction/security-and-auth/', [
    near('zendesk-token', ['zendesk'], '[A-Za-z0-9]{40}', '{A40}', 'high', { checksum: 'mixed', entropy: 3.5 }),
  ]),
  ...vendor('Intercom', 'https://developers.intercom.com/docs/build-an-integration/learn-more/authentication', [
    near('intercom-access-token', ['intercom'], '[A-Za-z0-9+/]{59}=', '{b59}=', 'high', { entropy: 3.8 }),
  ]),
  ...vendor('Freshworks', 'https://developers.freshdesk.com/api/#authentication', [
    near('freshdesk-api-key', ['freshdesk', 'freshservice'], '[A-Za-z0-9]{20}', '{A20}', 'high', {
      checksum: 'mixed',
      entropy: 3,
    }),
  ]),
  ...vendor('Mapbox', 'https://docs.mapbox.com/help/dive-deeper/access-tokens/', [
    prefixed('mapbox-secret-token', 'sk.eyJ', '[\\w-]{40,200}\\.[\\w-]{20,24}', '{w60}.{w20}', 'high', { edge: true }),
  ]),
  ...vendor('EasyPost', 'https://docs.easypost.com/docs/authentication', [
    prefixed('easypost-api-key', 'EZAK', '[A-Za-z0-9]{54}', '{A54}', 'high', { edge: true }),
    prefixed('easypost-test-key', 'EZTK', '[A-Za-z0-9]{54}', '{A54}', 'medium', { edge: true }),
  ]),
  ...vendor('Shippo', 'https://docs.goshippo.com/docs/guides_general/authentication/', [
    {
      id: 'shippo-api-token',
      keywords: ['shippo_live_', 'shippo_test_'],
      pattern: 'shippo_(?:live|test)_[0-9a-f]{40}',
      entropy: 3,
      severity: 'high',
      examples: {
        match: ['shippo_live_{x40}', '"shippo_test_{x40}"'],
        miss: ['shippo_live_{x39}"', 'shippo_dev_{x40}'],
      },
    },
  ]),
  ...vendor('Duffel', 'https://duffel.com/docs/api/overview/authentication', [
    {
      id: 'duffel-api-token',
      keywords: ['duffel_live_', 'duffel_test_'],
      pattern: 'duffel_(?:live|test)_[\\w=-]{43}',
      entropy: 3.2,
      severity: 'high',
      examples: {
        match: ['duffel_live_{w43}', '"duffel_test_{w43}"'],
        miss: ['duffel_test_{w42}"', 'duffel_dev_{w43}'],
      },
    },
  ]),
  ...vendor('Frame.io', 'https://developer.frame.io/docs/getting-started/authentication', [
    prefixed('frameio-token', 'fio-u-', '[\\w=-]{64}', '{w64}', 'high'),
  ]),
  ...vendor('ReadMe', 'https://docs.readme.com/main/reference/authentication', [
    prefixed('readme-api-key', 'rdme_', '[a-z0-9]{70}', '{a70}', 'high'),
  ]),
  ...vendor('OpenShift', 'https://docs.redhat.com/en/documentation/openshift_container_platform/', [
    prefixed('openshift-token', 'sha256~', '[\\w-]{43}', '{w43}', 'critical'),
  ]),
  ...vendor('Rancher', 'https://ranchermanager.docs.rancher.com/api/api-tokens', [
    prefixed('rancher-token', 'token-', '[a-z0-9]{5}:[a-z0-9]{54}', '{a5}:{a54}', 'critical', { edge: true }),
  ]),
  ...vendor('Kubernetes', 'https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/', [
    near(
      'kubernetes-bootstrap-token',
      ['kubeadm', 'bootstrap', 'join'],
      '[a-z0-9]{6}\\.[a-z0-9]{16}',
      '{a6}.{a16}',
      'high',
      { checksum: 'mixed', entropy: 3.2 },
    ),
  ]),
  ...vendor('Home Assistant', 'https://developers.home-assistant.io/docs/auth_api/', [
    near(
      'home-assistant-token',
      ['home_assistant', 'homeassistant', 'hass'],
      'eyJ[\\w-]{30,200}\\.[\\w-]{30,200}\\.[\\w-]{43}',
      'eyJ{w40}.{w40}.{w43}',
      'high',
    ),
  ]),
];
