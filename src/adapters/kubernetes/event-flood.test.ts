import { describe, expect, it } from '@jest/globals';
import { createEventFlood } from './event-flood';

const MINUTE_MS = 60_000;

describe('a flood of events', () => {
  it('lets ten texts of a series stand by themselves, and their repeats', () => {
    const hasOwnPlace = createEventFlood(() => 0);
    for (let text = 0; text < 10; text++) expect(hasOwnPlace('pvc RDSDisconnected', `text ${text}`)).toBe(true);
    expect(hasOwnPlace('pvc RDSDisconnected', 'text 10')).toBe(false);
    expect(hasOwnPlace('pvc RDSDisconnected', 'text 3')).toBe(true);
    expect(hasOwnPlace('pvc RDSReconnected', 'text 10')).toBe(true);
  });

  it('forgets what was not heard for ten minutes', () => {
    let now = 0;
    const hasOwnPlace = createEventFlood(() => now);
    for (let text = 0; text < 10; text++) hasOwnPlace('series', `text ${text}`);
    now = 9 * MINUTE_MS;
    expect(hasOwnPlace('series', 'text 0')).toBe(true);
    expect(hasOwnPlace('series', 'new')).toBe(false);
    now = 10 * MINUTE_MS;
    expect(hasOwnPlace('series', 'new')).toBe(true);
  });
});
