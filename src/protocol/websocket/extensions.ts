import { err, ok, type Result } from '../../kernel/result.ts';

/**
 * permessage-deflate (RFC 7692), agreed on with each side by itself and always without context takeover: every message
 * inflates alone, so what is held is bounded by one message, and the two sides need not agree.
 */
export const DEFLATE_OFFER = 'permessage-deflate; client_no_context_takeover; server_no_context_takeover';

interface Offer {
  readonly name: string;
  readonly parameters: ReadonlyMap<string, string>;
}

/** What a server answers to a client's offers, or null for no extension: the first offer it can keep wins. */
export function acceptDeflate(header: string): { readonly answer: string; readonly windowBits: number } | null {
  for (const offer of parseExtensions(header) ?? []) {
    if (offer.name !== 'permessage-deflate') continue;
    const windowBits = offeredWindow(offer);
    if (windowBits === null) continue;
    const window = windowBits === 15 ? '' : `; server_max_window_bits=${String(windowBits)}`;
    return { answer: `${DEFLATE_OFFER}${window}`, windowBits };
  }
  return null;
}

/** The window a client asks its server to keep to; null for an offer that is malformed or asks for what zlib can't do. */
function offeredWindow({ parameters }: Offer): number | null {
  let windowBits = 15;
  for (const [name, value] of parameters) {
    switch (name) {
      case 'server_no_context_takeover':
      case 'client_no_context_takeover':
        if (value !== '') return null;
        break;
      case 'client_max_window_bits':
        if (value !== '' && readBits(value) === null) return null;
        break;
      case 'server_max_window_bits': {
        const bits = readBits(value);
        if (bits === null || bits < 9) return null;
        windowBits = bits;
        break;
      }
      default:
        return null;
    }
  }
  return windowBits;
}

/** A server's answer to `DEFLATE_OFFER`: what was not offered may not come back (RFC 6455 section 4.1). */
export function checkDeflateAnswer(header: string | null, offered: boolean): Result<boolean, string> {
  if (header === null) return ok(false);
  const answered = parseExtensions(header);
  const [extension] = answered ?? [];
  if (answered?.length !== 1 || extension?.name !== 'permessage-deflate' || !offered) {
    return err('it chose an extension that was not offered');
  }
  const { parameters } = extension;
  // Without this its messages could only be read with all that came before them.
  if (parameters.get('server_no_context_takeover') !== '') return err('it did not keep to the offered compression');
  for (const [name, value] of parameters) {
    const flag = name === 'server_no_context_takeover' || name === 'client_no_context_takeover';
    const known = flag ? value === '' : name === 'server_max_window_bits' && readBits(value) !== null;
    if (!known) return err('it chose a parameter that was not offered');
  }
  return ok(true);
}

function readBits(value: string): number | null {
  return /^(?:[89]|1[0-5])$/.test(value) ? Number(value) : null;
}

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Null for a header that is not a list of extensions, or names a parameter twice. */
function parseExtensions(header: string): readonly Offer[] | null {
  const offers: Offer[] = [];
  for (const text of header.split(',')) {
    const [name = '', ...rest] = text.split(';').map((piece) => piece.trim());
    if (!TOKEN.test(name)) return null;
    const parameters = new Map<string, string>();
    for (const piece of rest) {
      const [key = '', value = ''] = piece.split('=', 2).map((side) => side.trim());
      const bare = value.replace(/^"(.*)"$/, '$1');
      if (!TOKEN.test(key) || parameters.has(key) || (piece.includes('=') && !TOKEN.test(bare))) return null;
      parameters.set(key.toLowerCase(), bare);
    }
    offers.push({ name: name.toLowerCase(), parameters });
  }
  return offers;
}
