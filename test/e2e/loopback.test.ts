import fs from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';
import { spawnSync } from 'node:child_process';
import { World } from './support/world.ts';

/** The runtime that every bottle has, whatever the host's own programs are. */
const NODE = '/opt/bot-bottle/node';
const PYTHON = '/usr/bin/python3';

function inBottle(world: World, script: string, bottle: readonly string[] = []): ReturnType<World['run']> {
  return world.run(['run', ...bottle, '--', 'sh', '-c', script]);
}

/** Polls with curl until a server of the agent answers, or gives up after the tries. */
function answerOf(url: string): string {
  return `curl -sS --retry 60 --retry-delay 1 --retry-connrefused --retry-max-time 40 ${url}`;
}

/** A program that binds an address and says how that went. */
function binding(address: string, port: number): string {
  const program = [
    "const server = require('node:net').createServer();",
    "server.once('error', (failure) => console.log(failure.code));",
    `server.listen(${String(port)}, '${address}', () => { console.log('bound'); server.close(); });`,
  ].join('');
  return `${NODE} -e "${program}"`;
}

describe('S7 loopback belongs to the agent', () => {
  it.each(['localhost', '127.0.0.1', '127.9.9.9'])(
    'S7 a server of the agent answers on %s, although proxy variables are set',
    async (name) => {
      using world = new World();
      const address = name === 'localhost' ? '127.0.0.1' : name;
      fs.writeFileSync(
        path.join(world.project, 'server.js'),
        `require('node:http').createServer((_, response) => response.end('from the agent')).listen(3000, '${address}');\n`,
      );
      const script = `test -n "$http_proxy" && ${NODE} server.js & ${answerOf(`http://${name}:3000/`)}; kill $!`;
      const { stdout, stderr } = await inBottle(world, script);
      expect(stdout, stderr).toBe('from the agent');
    },
  );

  it('S7 a refused connection to localhost is localhost’s own, no answer of the gateway', async () => {
    using world = new World();
    const { stdout } = await inBottle(world, 'curl -sS -o /dev/null -w "%{http_code}" http://localhost:3999/ 2>&1');
    expect(stdout).toMatch(/connect to localhost port 3999.*\n?000$/);
  });

  it.each([
    ['127.0.0.1', 3000, 'bound', 'it is the agent’s'],
    ['127.0.0.1', 9099, 'bound', 'the gateway has that port on another address'],
    ['0.0.0.0', 3000, 'bound', 'every address, as dev servers do it'],
    ['127.0.0.1', 443, 'EACCES', 'a low port needs the capability, as on any Linux'],
    ['127.0.0.2', 9099, 'EADDRINUSE', 'the gateway’s proxy listens there'],
    ['0.0.0.0', 9099, 'EADDRINUSE', 'it would cover the gateway’s address'],
    ['127.0.0.2', 443, 'EACCES', 'the gateway’s transparent listener'],
    ['127.0.0.2', 80, 'EACCES', 'the gateway’s transparent listener'],
  ])('S7 binding %s:%d gives %s: %s', async (address, port, outcome) => {
    using world = new World();
    expect((await inBottle(world, binding(address, port))).stdout).toBe(`${outcome}\n`);
  });

  it('S7 the hosts file names the bundle, and the names are reached without the proxy', async () => {
    using world = new World();
    const { stdout } = await inBottle(
      world,
      'for n in egress supervise git-gate _egress.local; do getent hosts $n; done; curl -sS -o /dev/null -w "%{http_code} %{remote_ip}:%{remote_port}" http://_egress.local/allowlist',
    );
    expect(stdout.match(/^127\.0\.0\.2 /gm)).toHaveLength(4);
    const names = (await inBottle(world, 'cat /etc/hosts')).stdout;
    expect(names).toContain('127.0.0.2 egress supervise git-gate _egress.local');
    expect(names).toMatch(/^127\.0\.0\.1 localhost/m);
    expect(stdout.split('\n').at(-1)).toBe('200 127.0.0.2:80');
  });

  it('S7 a Vite dev server answers on localhost', async () => {
    using world = new World();
    const modules = path.resolve('node_modules');
    world.bottle('web', `mounts:\n  - {path: ${modules}, mode: ro}`);
    fs.writeFileSync(
      path.join(world.project, 'index.html'),
      '<title>a page</title><script type="module" src="/a.ts"></script>',
    );
    fs.writeFileSync(path.join(world.project, 'a.ts'), 'export const answer: number = 42;\n');
    const vite = path.join(modules, 'vite/bin/vite.js');
    const { stdout, stderr } = await inBottle(
      world,
      `${NODE} ${vite} --port 5173 --strictPort >vite.log 2>&1 & ${answerOf('http://localhost:5173/')}; curl -sS http://localhost:5173/a.ts; kill $!; cat vite.log >&2`,
      ['--bottle', 'web'],
    );
    expect(stdout, stderr).toContain('<title>a page</title>');
    expect(stdout, stderr).toContain('/@vite/client');
    expect(stdout, stderr).toMatch(/export const answer = 42/);
  });

  it('S7 a Python test with a local server passes, by pytest where the host has it', async ({ skip }) => {
    if (!fs.existsSync(PYTHON)) skip('no python3 among the system’s programs');
    const pytest = spawnSync(PYTHON, ['-m', 'pytest', '--version']).status === 0;
    using world = new World();
    fs.writeFileSync(
      path.join(world.project, 'test_server.py'),
      [
        'import http.server, threading, urllib.request',
        '',
        'class Handler(http.server.BaseHTTPRequestHandler):',
        '    def do_GET(self):',
        '        self.send_response(200)',
        '        self.end_headers()',
        '        self.wfile.write(b"local")',
        '',
        'def test_local_server():',
        '    server = http.server.HTTPServer(("localhost", 0), Handler)',
        '    threading.Thread(target=server.serve_forever, daemon=True).start()',
        '    for host in ("localhost", "127.0.0.1"):',
        '        with urllib.request.urlopen(f"http://{host}:{server.server_port}/") as response:',
        '            assert response.read() == b"local"',
        '    server.shutdown()',
        '',
        'if __name__ == "__main__":',
        '    test_local_server()',
        '    print("1 passed")',
        '',
      ].join('\n'),
    );
    const { code, stdout } = await inBottle(
      world,
      `${PYTHON} ${pytest ? '-m pytest -q -p no:cacheprovider' : ''} test_server.py`,
    );
    expect(stdout).toContain('1 passed');
    expect(code).toBe(0);
  });
});
