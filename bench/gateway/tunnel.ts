import { createServer, connect } from 'node:net';

/** The floor for any proxy in Node.js: CONNECT, then bytes both ways unseen. Prints its port as one line of JSON. */
const server = createServer({ noDelay: true }, (agent) => {
  agent.on('error', () => agent.destroy());
  agent.once('data', (head: Buffer) => {
    const target = /^CONNECT ([^:\s]+):(\d+) /.exec(head.toString('latin1'));
    if (target === null) {
      agent.destroy();
      return;
    }
    const upstream = connect({ host: '127.0.0.1', port: Number(target[2]), noDelay: true }, () => {
      agent.write('HTTP/1.1 200 Connection established\r\n\r\n');
      agent.pipe(upstream).pipe(agent);
    });
    upstream.on('error', () => agent.destroy());
    agent.on('close', () => upstream.destroy());
  });
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${JSON.stringify({ port: (server.address() as { port: number }).port })}\n`);
});
