import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { Secret } from './secret';

describe('a secret', () => {
  const secret = new Secret('hunter2');

  it.each<[string, () => string]>([
    ['as a text', () => String(secret)],
    ['joined', () => [secret].join()],
    ['as JSON', () => JSON.stringify({ secret })],
    ['inspected', () => inspect({ secret }, { showHidden: true, depth: 9 })],
    ['inspected without its own say', () => inspect(secret, { customInspect: false, showHidden: true })],
    ['copied', () => JSON.stringify(Object.assign({}, secret))],
  ])('does not show %s', (_fact, show) => expect(show()).not.toContain('hunter2'));

  it('is given to who asks for it', () => expect(secret.reveal()).toBe('hunter2'));
});
