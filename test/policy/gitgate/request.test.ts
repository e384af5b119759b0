import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { routeGitRequest } from '../../../src/policy/gitgate/request.ts';

const REPOSITORIES = new Map([
  ['web', 'the web repository'],
  ['a.b-c_1', 'another'],
]);
const route = (method: string, target: string): ReturnType<typeof routeGitRequest<string>> =>
  routeGitRequest(method, target, REPOSITORIES);

describe('H15 what git itself asks for', () => {
  const rows = [
    ['GET', '/web.git/info/refs?service=git-upload-pack', 'advertise', 'git-upload-pack'],
    ['GET', '/web.git/info/refs?service=git-receive-pack', 'advertise', 'git-receive-pack'],
    ['POST', '/web.git/git-upload-pack', 'rpc', 'git-upload-pack'],
    ['POST', '/a.b-c_1.git/git-receive-pack', 'rpc', 'git-receive-pack'],
  ] as const;
  it.each(rows)('%s %s', (method, target, kind, service) => {
    expect(route(method, target)).toMatchObject({ kind, service });
  });
});

describe('H15 everything else is refused by name', () => {
  const rows: readonly (readonly [why: string, method: string, target: string, reason: string])[] = [
    ['the root', 'GET', '/', 'bad_request'],
    ['no name', 'GET', '/.git/info/refs?service=git-upload-pack', 'unknown_repository'],
    ['dots', 'GET', '/..git/info/refs?service=git-upload-pack', 'unknown_repository'],
    ['up and out', 'GET', '/../../etc/passwd', 'unknown_repository'],
    ['up within', 'GET', '/web.git/../other.git/info/refs?service=git-upload-pack', 'unknown_path'],
    ['an escape', 'GET', '/%77eb.git/info/refs?service=git-upload-pack', 'bad_request'],
    ['an escaped slash', 'GET', '/web.git%2finfo/refs?service=git-upload-pack', 'bad_request'],
    ['an absolute target', 'GET', 'http://git-gate:9420/web.git/info/refs', 'bad_request'],
    ['another case', 'GET', '/WEB.git/info/refs?service=git-upload-pack', 'unknown_repository'],
    ['one that is not declared', 'GET', '/other.git/info/refs?service=git-upload-pack', 'unknown_repository'],
    ['no .git', 'GET', '/web/info/refs?service=git-upload-pack', 'unknown_path'],
    ['an escaped service', 'GET', '/web.git/info/refs?service%3Dgit-receive-pack', 'unknown_service'],
    ['an escaped value', 'GET', '/web.git/info/refs?service=git%2dreceive-pack', 'unknown_service'],
    ['two services', 'GET', '/web.git/info/refs?service=git-upload-pack&service=git-receive-pack', 'unknown_service'],
    ['another service', 'GET', '/web.git/info/refs?service=git-evil', 'unknown_service'],
    ['a path as service', 'GET', '/web.git/info/refs?service=../../bin/sh', 'unknown_service'],
    ['dumb HTTP', 'GET', '/web.git/info/refs', 'dumb_http'],
    ['a loose object', 'GET', '/web.git/objects/aa/bb', 'dumb_http'],
    ['HEAD', 'GET', '/web.git/HEAD', 'dumb_http'],
    ['the configuration', 'GET', '/web.git/config', 'dumb_http'],
    ['LFS', 'POST', '/web.git/info/lfs/objects/batch', 'lfs'],
    ['LFS locks', 'POST', '/web.git/info/lfs/locks', 'lfs'],
    ['LFS upload', 'PUT', '/web.git/info/lfs/objects/aa', 'lfs'],
    ['WebDAV', 'PUT', '/web.git/refs/heads/main', 'webdav'],
    ['WebDAV locks', 'LOCK', '/web.git/info/refs', 'webdav'],
    ['an archive', 'POST', '/web.git/git-upload-archive', 'archive'],
    ['a service by the wrong method', 'GET', '/web.git/git-receive-pack', 'bad_request'],
    ['a service with a query', 'POST', '/web.git/git-receive-pack?x=1', 'bad_request'],
    ['discovery by the wrong method', 'POST', '/web.git/info/refs?service=git-receive-pack', 'bad_request'],
    ['more behind a service', 'POST', '/web.git/git-receive-pack/', 'unknown_path'],
    ['a fragment', 'GET', '/web.git/info/refs?service=git-upload-pack#x', 'bad_request'],
    ['a name from an object', 'GET', '/constructor.git/info/refs?service=git-upload-pack', 'unknown_repository'],
  ];
  it.each(rows)('%s', (_why, method, target, reason) => {
    expect(route(method, target)).toMatchObject({ kind: 'refused', reason });
  });

  it('tells what there is', () => {
    expect(route('GET', '/other.git/info/refs?service=git-upload-pack')).toMatchObject({
      text: expect.stringContaining('http://git-gate:9420/web.git') as string,
    });
    expect(route('GET', '/other.git/x')).toMatchObject({ text: expect.stringContaining('git-gate.repos') as string });
  });
});

it('H15 whatever is asked, what comes out is a declared repository or a refusal', () => {
  const parts = fc.constantFrom(
    '/',
    'web',
    '.git',
    '..',
    '%2e',
    '?',
    'service=',
    'git-receive-pack',
    '/info/refs',
    '\\',
    '#',
    ' ',
    '\0',
  );
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 12 }), fc.constantFrom('GET', 'POST', 'PUT'), (pieces, method) => {
      const result = route(method, `/${pieces.join('')}`);
      if (result.kind === 'refused') expect(result.status).toBeGreaterThanOrEqual(400);
      else expect(REPOSITORIES.get('web')).toBe(result.repository);
    }),
  );
});
