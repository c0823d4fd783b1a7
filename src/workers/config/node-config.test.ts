import { describe, expect, it } from '@jest/globals';
import { ConfigError } from './config-error';
import { loadNodeConfig } from './node-config';

const load = (flags: Record<string, string>) =>
  loadNodeConfig({
    flags: { nodeId: 'node-a', ...flags },
    env: {},
    readFile: () => {
      throw new Error('no files here');
    },
  });

describe('loadNodeConfig', () => {
  it('needs the node ID alone', () => {
    expect(load({})).toMatchObject({
      nodeId: 'node-a',
      connector: { kind: 'nvme' },
      kubeletDir: '/var/lib/kubelet',
      maxVolumes: 0,
      topology: {},
    });
  });

  it('reads labels and the folder of a simulated RDS', () => {
    const config = load({ topology: 'zone=a, example.org/rack=r-1', connector: 'loop', loopBackingDir: '/srv/rds' });
    expect(config.topology).toEqual({ zone: 'a', 'example.org/rack': 'r-1' });
    expect(config.connector).toEqual({ kind: 'loop', backingDir: '/srv/rds' });
  });

  it.each([
    [{ nodeId: 'Node A' }, 'nodeId'],
    [{ connector: 'iscsi' }, 'connector'],
    [{ connector: 'loop' }, 'loopBackingDir'],
    [{ loopBackingDir: '/srv/rds' }, 'loopBackingDir'],
    [{ kubeletDir: 'relative' }, 'kubeletDir'],
    [{ kubeletDir: '/var/../etc' }, 'kubeletDir'],
    [{ maxVolumes: '-1' }, 'maxVolumes'],
    [{ topology: 'zone' }, 'topology'],
    [{ topology: 'zone=a b' }, 'topology'],
    [{ nqnPrefix: 'iqn.2000-01.x' }, 'nqnPrefix'],
  ])('refuses %j, naming %s', (flags, field) => {
    expect(() => load(flags)).toThrow(ConfigError);
    expect(() => load(flags)).toThrow(new RegExp(field));
  });
});
