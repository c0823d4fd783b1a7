import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { type Driver, startDriver } from '../kit/driver';
import { LOST_REPLIES_LIMIT_MS, loseReplies } from '../kit/lost-replies';

let driver: Driver;

beforeAll(async () => {
  driver = await startDriver();
});

afterAll(async () => {
  await driver.stop();
});

it(
  'operations whose replies are lost before they take effect end right, with no second effect',
  async () => {
    await expect(loseReplies(driver, 'before')).resolves.toBeUndefined();
  },
  LOST_REPLIES_LIMIT_MS,
);
