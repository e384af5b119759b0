import { describe, expect, test } from 'vitest';
import { openManifests } from '../../src/manifest/index.ts';
import { complaint, HOME, memoryFiles, OPERATOR, PROJECT } from './support.ts';

const THERE = {
  [`${OPERATOR}/.config/gh/hosts.yml`]: '',
  [`${OPERATOR}/.config/nvim/init.lua`]: '',
  [`${OPERATOR}/.cargo/credentials.toml`]: '',
  [`${OPERATOR}/.cargo/bin/cargo`]: '',
  [`${OPERATOR}/.nvm/node`]: '',
  [`${OPERATOR}/.ssh/id_ed25519`]: '',
  [`${OPERATOR}/old-home/.netrc`]: '',
  '/opt/tools/bin/x': '',
  '/srv/home/bob/.aws/credentials': '',
};
const LINKS = { '/opt/sneaky': `${OPERATOR}/.ssh`, '/opt/near': '/opt/tools' };

function mounting(path: string): string {
  const files = memoryFiles({
    files: { ...THERE, [`${HOME}/bottles/acme.md`]: `---\nmounts: [{path: "${path}"}]\n---\n` },
    links: LINKS,
  });
  return complaint(() => openManifests({ home: HOME, cwd: PROJECT, files }).loadEffective(['acme']));
}

describe('S8 mounts carry no credentials in', () => {
  test.each([
    { path: '~/.ssh', says: '/home/ada/.ssh is where credentials are kept (.ssh)' },
    { path: '~/.ssh/id_ed25519', says: '/home/ada/.ssh/id_ed25519 is where credentials are kept (.ssh)' },
    { path: '~/x/../.ssh/', says: '/home/ada/.ssh is where credentials are kept (.ssh)' },
    { path: '~/.SSH', says: '/home/ada/.SSH is where credentials are kept (.ssh)' },
    { path: '/home/ada/.aws', says: '/home/ada/.aws is where credentials are kept (.aws)' },
    { path: '~/.config/gh', says: '/home/ada/.config/gh is where credentials are kept (.config/gh)' },
    {
      path: '~/.config/gcloud/configurations',
      says: '/home/ada/.config/gcloud/configurations is where credentials are kept (.config/gcloud)',
    },
    { path: '~/.config', says: '/home/ada/.config holds credentials (gh)' },
    { path: '~/.npmrc', says: '/home/ada/.npmrc is where credentials are kept (.npmrc)' },
    { path: '~/.gnupg', says: '/home/ada/.gnupg is where credentials are kept (.gnupg)' },
    { path: '~/.docker', says: '/home/ada/.docker is where credentials are kept (.docker)' },
    { path: '~/.kube', says: '/home/ada/.kube is where credentials are kept (.kube)' },
    { path: '~/.netrc', says: '/home/ada/.netrc is where credentials are kept (.netrc)' },
    { path: '~/.azure', says: '/home/ada/.azure is where credentials are kept (.azure)' },
    { path: '~/.git-credentials', says: '/home/ada/.git-credentials is where credentials are kept (.git-credentials)' },
    { path: '~/.claude', says: '/home/ada/.claude is where credentials are kept (.claude)' },
    { path: '~/.codex', says: '/home/ada/.codex is where credentials are kept (.codex)' },
    { path: '~/.cargo', says: '/home/ada/.cargo holds credentials (credentials.toml)' },
    { path: '~/old-home', says: '/home/ada/old-home holds credentials (.netrc)' },
    { path: '/srv/home/bob/.aws', says: '/srv/home/bob/.aws is where credentials are kept (.aws)' },
    { path: '/srv/home/bob', says: '/srv/home/bob holds credentials (.aws)' },
    { path: '/opt/sneaky', says: '/home/ada/.ssh is where credentials are kept (.ssh)' },
    { path: '~', says: '/home/ada holds your home directory, with your keys and tokens' },
    { path: '~/', says: '/home/ada holds your home directory, with your keys and tokens' },
    { path: '~/..', says: '/home holds your home directory, with your keys and tokens' },
    { path: '/', says: '/ holds your home directory, with your keys and tokens' },
    { path: '/home', says: '/home holds your home directory, with your keys and tokens' },
    { path: '~/.bot-bottle', says: "/home/ada/.bot-bottle is bot-bottle's own" },
    { path: '~/.bot-bottle/cache', says: "/home/ada/.bot-bottle/cache is bot-bottle's own" },
    { path: '/etc', says: '/etc holds secrets or sockets of the system' },
    { path: '/etc/shadow', says: '/etc/shadow lies in /etc, which holds secrets or sockets of the system' },
    { path: '/var', says: '/var holds secrets or sockets of the system' },
    { path: '/run/docker.sock', says: '/run/docker.sock lies in /run, which holds secrets or sockets of the system' },
    { path: '/proc/1', says: '/proc/1 lies in /proc, which holds secrets or sockets of the system' },
    { path: '/root', says: '/root holds secrets or sockets of the system' },
  ])('$path is refused', ({ path, says }) => {
    expect(mounting(path)).toBe(`manifest_invalid
bottles/acme.md:2:17  mounts[0].path
  ${says}; it can't be mounted
      path: ~/.nvm`);
  });

  test.each([
    '~/.nvm',
    '~/.cargo/bin',
    '/opt/tools',
    '/opt/near',
    '/usr/share/dict',
    '~/.config/nvim',
    '~/not-there',
    '/opt/.sshx',
  ])('%s is a toolchain', (path) => {
    expect(mounting(path)).toBe('no complaint');
  });

  test("a parent's mount is looked at as well", () => {
    const files = memoryFiles({
      files: {
        [`${HOME}/bottles/acme.md`]: '---\nextends: base\n---\n',
        [`${HOME}/bottles/base.md`]: '---\nmounts: [{path: ~/.ssh}]\n---\n',
      },
    });
    const said = complaint(() => openManifests({ home: HOME, cwd: PROJECT, files }).loadEffective(['acme']));
    expect(said).toContain('bottles/base.md:2:17  mounts[0].path');
  });

  test('the home of bot-bottle is meant wherever it lies', () => {
    const home = '/srv/bottles-home';
    const files = memoryFiles({ files: { [`${home}/bottles/acme.md`]: '---\nmounts: [{path: /srv}]\n---\n' } });
    const said = complaint(() => openManifests({ home, cwd: PROJECT, files }).loadEffective(['acme']));
    expect(said).toContain("/srv is bot-bottle's own; it can't be mounted");
  });
});
