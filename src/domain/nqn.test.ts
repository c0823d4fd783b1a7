import { describe, expect, it } from '@jest/globals';
import { Fault } from './fault';
import { hostIdOf, hostNqnOf } from './host-nqn';
import { findNqnOf, parseNodeId, parseNqnPrefix, parseSubsystemNqn, subsystemNqnOf } from './nqn';
import { parseVolumeId } from './volume-id';

const volumeId = parseVolumeId('pvc-3f2504e0-4f89-11d3-9a0c-0305e82c3301');

describe('subsystemNqnOf', () => {
  it.each([
    ['nqn.2000-02.com.mikrotik', `nqn.2000-02.com.mikrotik:${volumeId}`],
    ['nqn.2000-02.com.mikrotik:', `nqn.2000-02.com.mikrotik:${volumeId}`],
    ['nqn.2000-02.com.mikrotik:lab', `nqn.2000-02.com.mikrotik:lab:${volumeId}`],
  ])('puts the ID behind %s', (prefix, nqn) =>
    expect(subsystemNqnOf(parseNqnPrefix(prefix, 'nqnPrefix'), volumeId)).toBe(nqn),
  );

  it('makes an NQN of 223 bytes of the longest prefix', () => {
    const authority = 'nqn.2000-02.com.mikrotik:';
    const longest = parseNqnPrefix(`${authority}${'x'.repeat(182 - authority.length)}`, 'nqnPrefix');
    expect(longest).toHaveLength(183);
    expect(subsystemNqnOf(longest, volumeId)).toHaveLength(223);
    expect(() => parseNqnPrefix(`x${longest}`, 'nqnPrefix')).toThrow(
      new Fault('InvalidArgument', 'nqnPrefix: 184 characters, at most 183 are allowed'),
    );
  });
});

describe('findNqnOf', () => {
  const one = `nqn.2001-03.com.example:${volumeId}`;
  const other = `nqn.2000-02.com.mikrotik:lab:${volumeId}`;

  it.each([
    ['none', [], undefined],
    ['another volume', ['nqn.2001-03.com.example:pvc-00000000-4f89-11d3-9a0c-0305e82c3301'], undefined],
    ['an ID that only ends so', [`nqn.2001-03.com.example:x${volumeId}`], undefined],
    ['what is no NQN', [`x:${volumeId}`], undefined],
    ['one among others', ['nqn.2014-08.org.nvmexpress.discovery', one, ''], one],
    ['the same twice', [other, other], other],
  ])('%s', (_fact, nqns, found) => expect(findNqnOf(nqns, volumeId)).toBe(found));

  it('says that several are called so', () =>
    expect(() => findNqnOf([one, other], volumeId)).toThrow(
      new Fault('DeviceMismatch', `${volumeId}: several connections are called so: ${one}, ${other}`),
    ));
});

describe('messages', () => {
  it.each([
    [() => parseNqnPrefix('', 'nqnPrefix'), 'nqnPrefix: missing'],
    [() => parseNqnPrefix('iqn.x', 'nqnPrefix'), 'nqnPrefix: "iqn.x" is not nqn.<yyyy-mm>.<reverse domain>[:<name>]'],
    [
      () => parseNqnPrefix('nqn.2014-08.org.nvmexpress:uuid', 'nqnPrefix'),
      'nqnPrefix: nqn.2014-08.org.nvmexpress is reserved by the NVMe specification',
    ],
    [() => parseSubsystemNqn('x'.repeat(224), 'nqn'), 'nqn: 224 characters, at most 223 are allowed'],
    [() => parseSubsystemNqn('nqn', 'nqn'), 'nqn: "nqn" is not nqn.<yyyy-mm>.<reverse domain>:<name>'],
    [() => parseNodeId('', 'node_id'), 'node_id: missing'],
    [() => parseNodeId('A', 'node_id'), 'node_id: "A" is no Kubernetes node name (DNS-1123 subdomain)'],
  ])('name the field and the rule', (act, message) => expect(act).toThrow(new Fault('InvalidArgument', message)));
});

it('takes a node ID of 253 characters, and no longer one', () => {
  expect(parseNodeId('x'.repeat(253), 'node_id')).toHaveLength(253);
  expect(() => parseNodeId('x'.repeat(254), 'node_id')).toThrow('node_id: ');
});

it('makes the host ID and host NQN of a node, always the same', () => {
  const nodeId = parseNodeId('node-1', 'node_id');
  // uuid.uuid5(uuid.NAMESPACE_DNS, 'node-1') in Python
  expect(hostIdOf(nodeId)).toBe('9b3b6618-0449-5cf4-ba1a-1bd2727132bc');
  expect(hostNqnOf(nodeId)).toBe('nqn.2014-08.org.nvmexpress:uuid:9b3b6618-0449-5cf4-ba1a-1bd2727132bc');
});
