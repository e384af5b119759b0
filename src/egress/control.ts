import { BottleError } from '../kernel/errors.ts';
import { err, ok } from '../kernel/result.ts';
import type { ControlMethod } from '../platform/control-socket.ts';
import { CONTROL_ERROR } from '../schema/control.ts';
import { GatewayConfigSchema } from '../schema/gateway-config.ts';
import type { RunningGateway } from './gateway.ts';

/** What the operator's side may ask of a running gateway. */
export function controlMethods(
  gateway: Pick<RunningGateway, 'status' | 'counters' | 'metrics' | 'reload' | 'onEnded'>,
): Readonly<Record<string, ControlMethod>> {
  return {
    status: () => ok(gateway.status()),
    counters: () => ok(gateway.counters()),
    metrics: () => ok(gateway.metrics()),
    reload: ({ config }) => {
      const parsed = GatewayConfigSchema.safeParse(config);
      if (!parsed.success) return err({ code: CONTROL_ERROR.invalidParams, message: parsed.error.message });
      try {
        gateway.reload(parsed.data);
      } catch (failure) {
        if (!(failure instanceof BottleError)) throw failure;
        return err({ code: CONTROL_ERROR.refused, message: failure.message });
      }
      return ok(gateway.status());
    },
    /** From now on every record that ends is sent as a `decision` notification. */
    decisions: (_params, peer) => {
      peer.onClose(
        gateway.onEnded((record) => {
          peer.notify('decision', record);
        }),
      );
      return ok({ subscribed: true });
    },
  };
}
