import { expect, it } from '@jest/globals';
import { parseNodeId } from '../../domain/nqn';
import { hostIdentityOf } from './host-identity';

it('makes a node the same host for ever, of its node ID alone', () => {
  const nodeId = parseNodeId('node-1', 'node_id');
  expect(hostIdentityOf(nodeId)).toEqual({
    nodeId,
    // uuid.uuid5(uuid.NAMESPACE_DNS, 'node-1') in Python
    hostNqn: 'nqn.2014-08.org.nvmexpress:uuid:9b3b6618-0449-5cf4-ba1a-1bd2727132bc',
    hostId: '9b3b6618-0449-5cf4-ba1a-1bd2727132bc',
  });
});
