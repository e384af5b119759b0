import { liesBelow, type HostPattern } from './host.ts';

/**
 * Hosts by which data leaves, or anything comes in, whoever's account it is: what an allowlist means to keep out comes
 * in again through one of them. Data, each with its reason; a name stands for itself and all below it.
 */
interface WayRound {
  readonly hosts: readonly string[];
  readonly why: string;
}

export const WAYS_ROUND: readonly WayRound[] = [
  {
    hosts: [
      'raw.githubusercontent.com',
      'githubusercontent.com',
      'cdn.jsdelivr.net',
      'unpkg.com',
      'esm.sh',
      'statically.io',
    ],
    why: "serves anybody's files under one name",
  },
  {
    hosts: [
      'gist.github.com',
      'gist.githubusercontent.com',
      'pastebin.com',
      'hastebin.com',
      'dpaste.com',
      'paste.rs',
      'ix.io',
      '0x0.st',
      'paste.ee',
      'rentry.co',
    ],
    why: 'is a paste service: anybody can read what is written there',
  },
  {
    hosts: [
      'transfer.sh',
      'file.io',
      'wetransfer.com',
      'gofile.io',
      'catbox.moe',
      'dropbox.com',
      'dropboxapi.com',
      'drive.google.com',
      'docs.google.com',
    ],
    why: 'takes files for anybody who has an account, or none',
  },
  {
    hosts: [
      'webhook.site',
      'requestbin.com',
      'pipedream.net',
      'beeceptor.com',
      'ngrok.io',
      'ngrok.app',
      'ngrok-free.app',
      'trycloudflare.com',
      'loca.lt',
      'interact.sh',
      'oast.fun',
      'burpcollaborator.net',
    ],
    why: 'passes on to whoever set it up',
  },
  {
    hosts: ['hooks.slack.com', 'slack.com', 'discord.com', 'discordapp.com', 'api.telegram.org'],
    why: 'carries messages to anybody',
  },
  {
    hosts: [
      'registry.npmjs.org',
      'upload.pypi.org',
      'crates.io',
      'rubygems.org',
      'ghcr.io',
      'docker.io',
      'registry-1.docker.io',
      'pkg.github.com',
    ],
    why: 'publishes packages: a writing request there is a release',
  },
  {
    hosts: [
      'amazonaws.com',
      'storage.googleapis.com',
      'blob.core.windows.net',
      'r2.dev',
      'digitaloceanspaces.com',
      'backblazeb2.com',
      'firebaseio.com',
      'firebasestorage.googleapis.com',
    ],
    why: 'is storage that anybody can rent',
  },
  {
    hosts: [
      'workers.dev',
      'pages.dev',
      'vercel.app',
      'netlify.app',
      'herokuapp.com',
      'fly.dev',
      'onrender.com',
      'github.io',
      'web.app',
      'replit.app',
      'glitch.me',
      'deno.dev',
    ],
    why: "runs anybody's programs",
  },
];

/** Why a host is a way round, or null. A wildcard over such a name, or over what holds it, is one too. */
export function wayRound({ kind, host }: HostPattern): string | null {
  for (const { hosts, why } of WAYS_ROUND) {
    for (const name of hosts) {
      if (host === name || liesBelow(host, name)) return `${host} ${why}`;
      if (kind === 'wildcard' && liesBelow(name, host)) return `${name}, which it covers, ${why}`;
    }
  }
  return null;
}
