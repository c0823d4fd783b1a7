import { expect, it } from '@jest/globals';
import { parseSubsystemNqn } from '../../domain/nqn';
import { inTurn } from './in-turn';
import type { ConnectorPort, ConnectTarget } from './port';

const [one, two] = [
  parseSubsystemNqn('nqn.2000-02.com.mikrotik:one', 'nqn'),
  parseSubsystemNqn('nqn.2000-02.com.mikrotik:two', 'nqn'),
];
const target: ConnectTarget = {
  nqn: one,
  address: '10.0.0.1',
  port: 4420,
  filePath: '/pool/one.img',
  ctrlLossTmo: -1,
  reconnectDelay: 5,
  keepAliveTmo: undefined,
};

it('lets a disconnect wait for a connect of the same NQN, also for one that fails, and nobody else', async () => {
  const begun: string[] = [];
  const { promise: failing, reject } = Promise.withResolvers<never>();
  const connector: ConnectorPort = inTurn({
    connect: () => {
      begun.push('connect');
      return failing;
    },
    sessions: async () => new Map(),
    find: async (nqn) => {
      begun.push(`find ${nqn}`);
      return undefined;
    },
    findNqnOf: () => Promise.resolve(undefined),
    rescan: async (_nqn, atLeastBytes) => {
      begun.push(`rescan ${atLeastBytes}`);
      return undefined;
    },
    disconnect: async (nqn) => {
      begun.push(`disconnect ${nqn}`);
    },
  });
  const connected = connector.connect(target);
  const disconnected = connector.disconnect(one);
  await connector.find(one);
  await connector.disconnect(two);
  expect(begun.toSorted()).toEqual(['connect', `disconnect ${two}`, `find ${one}`]);
  reject(new Error('no such host'));
  await expect(connected).rejects.toThrow('no such host');
  await disconnected;
  await connector.rescan(one);
  expect(begun.slice(3)).toEqual([`disconnect ${one}`, 'rescan undefined']);
});
