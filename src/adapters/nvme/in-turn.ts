import type { SubsystemNqn } from '../../domain/nqn';
import type { ConnectorPort } from './port';

/**
 * One call at a time that changes the connection of an NQN, first come, first served: a disconnect never meets a connect half-way,
 * even if whoever asked for it has stopped waiting. Looking (`find`, `findNqnOf`) waits for nobody.
 */
export function inTurn(connector: ConnectorPort): ConnectorPort {
  const last = new Map<SubsystemNqn, Promise<unknown>>();
  const run = <T>(nqn: SubsystemNqn, act: () => Promise<T>): Promise<T> => {
    const result = (last.get(nqn) ?? Promise.resolve()).then(act);
    const ended = result
      .catch(() => undefined)
      .finally(() => {
        if (last.get(nqn) === ended) last.delete(nqn);
      });
    last.set(nqn, ended);
    return result;
  };
  return {
    connect: (target) => run(target.nqn, () => connector.connect(target)),
    find: (nqn) => connector.find(nqn),
    findNqnOf: (volumeId) => connector.findNqnOf(volumeId),
    sessions: () => connector.sessions(),
    rescan: (nqn, atLeastBytes) => run(nqn, () => connector.rescan(nqn, atLeastBytes)),
    disconnect: (nqn) => run(nqn, () => connector.disconnect(nqn)),
  };
}
