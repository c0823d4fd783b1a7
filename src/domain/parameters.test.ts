import { describe, expect, it } from '@jest/globals';
import { Fault } from './fault';
import { parseNqnPrefix } from './nqn';
import { parseParameters } from './parameters';
import { parseVolumePath } from './volume-path';

const defaults = {
  volumePaths: ['/storage-pool/metal-csi', '/fast'].map((path) => parseVolumePath(path, 'volumePaths')),
  nvmeAddress: '10.42.68.1',
  nvmePort: 4420,
  nqnPrefix: parseNqnPrefix('nqn.2000-02.com.mikrotik', 'nqnPrefix'),
};
const read = (map: Readonly<Record<string, string>>) => parseParameters(map, defaults);

const ALL_DEFAULT = {
  volumePath: '/storage-pool/metal-csi',
  nvmeAddress: '10.42.68.1',
  nvmePort: 4420,
  nqnPrefix: 'nqn.2000-02.com.mikrotik:',
  mkfsOptions: undefined,
  ctrlLossTmo: -1,
  reconnectDelay: 5,
  keepAliveTmo: undefined,
  migrationTimeoutSeconds: 300,
  claim: undefined,
};

describe('parseParameters', () => {
  it('fills in the defaults', () => expect(read({})).toEqual(ALL_DEFAULT));

  it.each([
    ['volumePath', '/fast/x', { volumePath: '/fast/x' }],
    ['nvmeAddress', 'rds.example.com', { nvmeAddress: 'rds.example.com' }],
    ['nvmeAddress', '2001:db8::1', { nvmeAddress: '2001:db8::1' }],
    ['nvmePort', '1', { nvmePort: 1 }],
    ['nvmePort', '65535', { nvmePort: 65_535 }],
    ['nqnPrefix', 'nqn.2026-11.io.srvlab', { nqnPrefix: 'nqn.2026-11.io.srvlab:' }],
    ['mkfsOptions', '-m 0 -O ^has_journal -E nodiscard', { mkfsOptions: '-m 0 -O ^has_journal -E nodiscard' }],
    ['mkfsOptions', ' ', {}],
    ['mkfsOptions', 'x'.repeat(1024), { mkfsOptions: 'x'.repeat(1024) }],
    ['ctrlLossTmo', '-1', { ctrlLossTmo: -1 }],
    ['ctrlLossTmo', '0', { ctrlLossTmo: 0 }],
    ['ctrlLossTmo', '600', { ctrlLossTmo: 600 }],
    ['reconnectDelay', '1', { reconnectDelay: 1 }],
    ['keepAliveTmo', '5', { keepAliveTmo: 5 }],
    ['migrationTimeoutSeconds', '0', { migrationTimeoutSeconds: 30 }],
    ['migrationTimeoutSeconds', '29', { migrationTimeoutSeconds: 30 }],
    ['migrationTimeoutSeconds', '600', { migrationTimeoutSeconds: 600 }],
    ['migrationTimeoutSeconds', '3601', { migrationTimeoutSeconds: 3600 }],
    ['csi.storage.k8s.io/fstype', 'xfs', {}],
    ['csi.storage.k8s.io/fstype', '', {}],
    ['csi.storage.k8s.io/pv/name', 'pvc-1', {}],
    ['csi.storage.k8s.io/pvc/name', 'data', {}],
    ['csi.storage.k8s.io/pvc/namespace', 'default', {}],
    ['csi.storage.k8s.io/provisioner-secret-name', 'x', {}],
  ])('reads %s=%s', (key, value, read_) => expect(read({ [key]: value })).toEqual({ ...ALL_DEFAULT, ...read_ }));

  it('makes a claim of namespace and name together', () => {
    expect(
      read({ 'csi.storage.k8s.io/pvc/name': 'data-db-0', 'csi.storage.k8s.io/pvc/namespace': 'default' }).claim,
    ).toEqual({ namespace: 'default', name: 'data-db-0' });
  });

  it.each([
    ['nfs', '1', 'parameters: unknown key "nfs"; known keys: volumePath, nvmeAddress, nvmePort, nqnPrefix, '],
    ['volumepath', '/fast', 'parameters: unknown key "volumepath"; known keys: '],
    ['constructor', 'x', 'parameters: unknown key "constructor"; known keys: '],
    ['', 'x', 'parameters: unknown key ""; known keys: '],
    ['a\nb', 'x', 'parameters: unknown key "a\\nb"; known keys: '],
    ['csi.storage.k8s.io', 'x', 'parameters: unknown key "csi.storage.k8s.io"; '],
    ['volumePath', '', 'parameters.volumePath: missing'],
    ['volumePath', '/flash', 'parameters.volumePath: "/flash" is not under /storage-pool/metal-csi or /fast'],
    ['volumePath', '/fast/../x', 'parameters.volumePath: "/fast/../x" has a segment ".."'],
    ['nvmeAddress', '', 'parameters.nvmeAddress: missing'],
    ['nvmeAddress', '1.2.3', 'parameters.nvmeAddress: "1.2.3" is neither an IP address nor a DNS host name'],
    ['nvmePort', '0', 'parameters.nvmePort: "0" is no whole number from 1 to 65535'],
    ['nvmePort', '65536', 'parameters.nvmePort: "65536" is no whole number from 1 to 65535'],
    ['nvmePort', '', 'parameters.nvmePort: "" is no whole number'],
    ['nvmePort', '4420 ', 'parameters.nvmePort: "4420 " is no whole number'],
    ['nvmePort', '0x10', 'parameters.nvmePort: "0x10" is no whole number'],
    ['nvmePort', '1e3', 'parameters.nvmePort: "1e3" is no whole number'],
    ['nvmePort', '04420', 'parameters.nvmePort: "04420" is no whole number'],
    ['nqnPrefix', 'iqn.x', 'parameters.nqnPrefix: "iqn.x" is not nqn.'],
    ['mkfsOptions', '-m\n0', 'parameters.mkfsOptions: has control characters'],
    ['mkfsOptions', '$(reboot)', 'parameters.mkfsOptions: "$(reboot)" has characters other than '],
    ['mkfsOptions', '"', 'parameters.mkfsOptions: "\\"" has characters other than '],
    ['mkfsOptions', 'x'.repeat(1025), 'parameters.mkfsOptions: 1025 bytes, at most 1024 are allowed'],
    ['ctrlLossTmo', '-2', 'parameters.ctrlLossTmo: "-2" is no whole number from -1 to 2147483647'],
    ['ctrlLossTmo', '2147483648', 'parameters.ctrlLossTmo: "2147483648" is no whole number from -1 to 2147483647'],
    ['ctrlLossTmo', 'off', 'parameters.ctrlLossTmo: "off" is no whole number'],
    ['reconnectDelay', '0', 'parameters.reconnectDelay: "0" is no whole number from 1 to '],
    ['keepAliveTmo', '0', 'parameters.keepAliveTmo: "0" is no whole number from 1 to '],
    ['keepAliveTmo', '1.5', 'parameters.keepAliveTmo: "1.5" is no whole number'],
    ['migrationTimeoutSeconds', '-1', 'parameters.migrationTimeoutSeconds: "-1" is no whole number from 0 to '],
    ['migrationTimeoutSeconds', '5m', 'parameters.migrationTimeoutSeconds: "5m" is no whole number'],
    ['csi.storage.k8s.io/fstype', 'zfs', 'parameters.csi.storage.k8s.io/fstype: "zfs" is none of ext4, '],
    ['csi.storage.k8s.io/pvc/name', 'A', 'parameters.csi.storage.k8s.io/pvc/name: "A" is no Kubernetes name'],
    ['csi.storage.k8s.io/pvc/name', 'a nodes=x', 'parameters.csi.storage.k8s.io/pvc/name: "a nodes=x" is no '],
    ['csi.storage.k8s.io/pvc/namespace', '', 'parameters.csi.storage.k8s.io/pvc/namespace: "" is no Kubernetes name'],
    ['csi.storage.k8s.io/pv/name', '../x', 'parameters.csi.storage.k8s.io/pv/name: "../x" is no Kubernetes name'],
  ])('refuses %j=%j', (key, value, message) => {
    expect(() => read({ [key]: value })).toThrow(message);
    expect(() => read({ [key]: value })).toThrow(expect.objectContaining({ kind: 'InvalidArgument' }));
  });

  it('refuses a namespace that only a claim name could be', () => {
    expect(() => read({ 'csi.storage.k8s.io/pvc/name': 'a', 'csi.storage.k8s.io/pvc/namespace': 'a.b' })).toThrow(
      new Fault(
        'InvalidArgument',
        'parameters.csi.storage.k8s.io/pvc/namespace: "a.b" is no Kubernetes name (DNS-1123)',
      ),
    );
  });

  it('needs a root where nothing names a path', () => {
    expect(() => parseParameters({}, { ...defaults, volumePaths: [] })).toThrow('parameters.volumePath: missing');
  });
});
