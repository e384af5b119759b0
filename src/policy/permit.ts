import type { Brand } from '../kernel/brand.ts';
import type { NormalHost } from './host.ts';

/** What one decision allows to be dialled. The dialer takes nothing else, and only `decide.ts` calls `mintPermit`. */
export interface PermitShape {
  /** `passthrough`: bytes of a TLS connection that ends elsewhere, so there is none of ours. */
  readonly scheme: 'http' | 'https' | 'passthrough';
  readonly host: NormalHost;
  readonly port: number;
  readonly routeId: string;
  readonly generation: number;
  /** `address:port` from the operator's `upstream.resolve`; such an address may be private. */
  readonly resolveTo: string | null;
  /** The route names this very address, so it may be a private one. */
  readonly literal: boolean;
}
export type Permit = Brand<PermitShape, 'Permit'>;

export function mintPermit(shape: PermitShape): Permit {
  return shape as Permit;
}
