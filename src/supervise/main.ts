import { once } from 'node:events';
import { systemClock } from '../platform/clock.ts';
import { runService } from '../platform/service-process.ts';
import { SuperviseServiceDocumentSchema } from '../schema/supervise-service.ts';
import { createSuperviseServer } from './server.ts';

/** The supervise service as a process: without network, without a credential, with one directory that it may write. */
const VERSION = '1';

void runService(SuperviseServiceDocumentSchema, async (document) => {
  const server = createSuperviseServer({
    document,
    clock: systemClock,
    version: VERSION,
    onFault: (failure) => {
      process.stderr.write(`a request was ended by a fault: ${failure.message}\n`);
    },
  });
  server.listen({ fd: document.listenerFd });
  await once(server, 'listening');
  return {
    [Symbol.asyncDispose]: async () => {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
});
