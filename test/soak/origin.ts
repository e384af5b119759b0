import { upstreamCa } from '../egress/support/origin.ts';
import { startLoadOrigin } from '../egress/support/load-origin.ts';

/** The upstreams, in a process of their own: their names are the arguments. */
const origin = await startLoadOrigin(process.argv.slice(2));
process.send?.({ resolve: origin.resolve, ca: upstreamCa.certificate });
process.on('disconnect', () => {
  void origin[Symbol.asyncDispose]();
});
