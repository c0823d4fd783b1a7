import { describe, expect, it } from '@jest/globals';
import type { ClusterEvent, ClusterNode, ClusterPort } from '../adapters/kubernetes/port';
import { Fault } from '../domain/fault';
import { createClusterActivities } from './cluster-activities';

const anyNode = { exists: () => Promise.resolve(true), whyUnknown: '' };
const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

function clusterOf(nodes: readonly ClusterNode[], postEvent: ClusterPort['postEvent'] = () => Promise.resolve()) {
  const asked: string[] = [];
  const cluster: ClusterPort = {
    findNode: (nodeId) => {
      asked.push(nodeId);
      return Promise.resolve(nodes.find((node) => node.nodeId === nodeId));
    },
    listNodes: () => {
      asked.push('all');
      return Promise.resolve(nodes);
    },
    listAttachments: () => Promise.resolve([]),
    listVolumes: () => Promise.resolve([]),
    postEvent,
  };
  return { cluster, asked };
}

const node = (nodeId: string, state: Partial<ClusterNode> = {}): ClusterNode => ({
  nodeId,
  ready: true,
  outOfService: false,
  ...state,
});

const activitiesOf = (cluster: ClusterPort | undefined, onEvent: (reason: string) => void = () => {}) =>
  createClusterActivities({ nodes: anyNode, cluster, logger: silent, onEvent });

describe('findLostNodes', () => {
  const nodes = [node('a'), node('b', { ready: false }), node('c', { outOfService: true })];

  it.each([
    ['none asked for', [], []],
    ['a ready one', ['a'], []],
    ['one that is merely not ready', ['b'], []],
    ['one that a person vouches for', ['c'], [{ nodeId: 'c', why: 'out-of-service' }]],
    ['one that is gone', ['d'], [{ nodeId: 'd', why: 'deleted' }]],
    ['one named twice', ['d', 'd'], [{ nodeId: 'd', why: 'deleted' }]],
  ])('%s', async (_fact, nodeIds, lost) => {
    const { cluster } = clusterOf(nodes);
    expect(await activitiesOf(cluster).findLostNodes({ nodeIds })).toEqual({ lost });
  });

  it('asks for many in one list', async () => {
    const { cluster, asked } = clusterOf(nodes);
    const nodeIds = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'];
    const { lost } = await activitiesOf(cluster).findLostNodes({ nodeIds });
    expect(lost.map(({ nodeId }) => nodeId)).toEqual(['c', 'd', 'e', 'f', 'g', 'h', 'i']);
    expect(asked).toEqual(['all']);
  });

  it('finds none without Kubernetes, and throws where Kubernetes does not answer', async () => {
    expect(await activitiesOf(undefined).findLostNodes({ nodeIds: ['d'] })).toEqual({ lost: [] });
    const { cluster } = clusterOf(nodes);
    const silentCluster = {
      ...cluster,
      findNode: () => Promise.reject(new Fault('ClusterUnreachable', 'no answer')),
    };
    await expect(activitiesOf(silentCluster).findLostNodes({ nodeIds: ['d'] })).rejects.toThrow('no answer');
  });
});

describe('postEvent', () => {
  const event: ClusterEvent = { reason: 'VolumeLost', type: 'Warning', message: 'gone', on: { volumeId: 'pvc-1' } };

  it('counts what was posted, and what is logged without Kubernetes; not what could not be posted', async () => {
    const counted: string[] = [];
    const posted: ClusterEvent[] = [];
    const { cluster } = clusterOf([], (given) => {
      posted.push(given);
      return Promise.resolve();
    });
    await activitiesOf(cluster, (reason) => counted.push(reason)).postEvent(event);
    await activitiesOf(undefined, (reason) => counted.push(reason)).postEvent(event);
    const refusing = clusterOf([], () => Promise.reject(new Fault('ClusterUnreachable', 'no answer'))).cluster;
    await activitiesOf(refusing, (reason) => counted.push(reason)).postEvent(event);
    expect(posted).toEqual([event]);
    expect(counted).toEqual(['VolumeLost', 'VolumeLost']);
  });
});
