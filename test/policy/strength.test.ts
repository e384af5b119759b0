import { describe, expect, it } from 'vitest';
import { classifyValue } from '../../src/policy/strength.ts';

const context = { routedHosts: ['api.example.com'], userName: 'adalovelace' };

describe('S14 which values are secrets', () => {
  it.each([
    { value: 'short', why: /shorter than 8/ },
    { value: 'password', why: /common word/ },
    { value: 'Production', why: /common word/ },
    { value: 'AdaLovelace', why: /the user name/ },
    { value: '/usr/local/bin', why: /a path/ },
    { value: '~/projects/web', why: /a path/ },
    { value: 'api.example.com', why: /a host that is routed/ },
    { value: 'https://api.example.com/', why: /a host that is routed/ },
    { value: 'sunflowers', why: /a single word/ },
    { value: 'aaaaaaaaaaaa1', why: /under 28 bits/ },
    { value: '00000000', why: /under 28 bits/ },
  ])('$value is plain text', ({ value, why }) => {
    expect(classifyValue(value, context)).toEqual({ kind: 'plain', why: expect.stringMatching(why) as unknown });
  });

  it.each([
    'ghp_0123456789abcdefABCDEF0123456789abcd',
    '5d41402abc4b2a76b9719d911017c592',
    'correct horse battery staple',
    'Tr0ub4dor&3x',
    'https://user:s3cr3tpass@db.example.com/',
    'other.example.com.key.7f3a',
    '/Wz9sPq3kT0vB8xYcD4fG6hJ2mN5rL7aE1uQ',
  ])('%s is a secret', (value) => {
    expect(classifyValue(value, context)).toEqual({ kind: 'secret' });
  });
});
