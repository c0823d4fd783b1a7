import { expect, it } from '@jest/globals';
import { shareNext } from './share-next';

it('asks for all who came before it was asked, and for none who came after', async () => {
  const asked: PromiseWithResolvers<number>[] = [];
  const share = shareNext(() => {
    const answer = Promise.withResolvers<number>();
    asked.push(answer);
    return answer.promise;
  });
  const first = [share(), share()];
  await Promise.resolve();
  expect(asked).toHaveLength(1);
  const second = [share(), share()];
  await Promise.resolve();
  expect(asked).toHaveLength(1);
  asked[0]?.resolve(1);
  expect(await Promise.all(first)).toEqual([1, 1]);
  await Promise.resolve();
  asked[1]?.resolve(2);
  expect(await Promise.all(second)).toEqual([2, 2]);
  expect(asked).toHaveLength(2);
});

it('goes on after a failure, which is for those alone who shared it', async () => {
  let calls = 0;
  const share = shareNext(() => {
    calls += 1;
    return calls === 1 ? Promise.reject(new Error('no answer')) : Promise.resolve(calls);
  });
  const [one, two] = [share(), share()];
  await expect(one).rejects.toThrow('no answer');
  await expect(two).rejects.toThrow('no answer');
  expect(await share()).toBe(2);
});
