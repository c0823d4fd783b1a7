import { beforeEach, describe, expect, it } from '@jest/globals';
import { FakeNvmet } from '../../../test/kit/fake-nvmet';
import type { DiskRecord } from '../state/state-file';
import { Exporter } from './exporter';
import { Nvmet } from './nvmet';

const A = 'nqn.2014-08.org.nvmexpress:uuid:00000000-0000-0000-0000-00000000000a';
const B = 'nqn.2014-08.org.nvmexpress:uuid:00000000-0000-0000-0000-00000000000b';
const SUBSYSTEM = 'subsystems/nqn.x:pvc-1';
const NAMESPACE = `${SUBSYSTEM}/namespaces/1`;

let kernel: FakeNvmet;
let told: string[];
let exporter: Exporter;

beforeEach(() => {
  kernel = new FakeNvmet();
  told = [];
  exporter = newExporter();
});

function newExporter(): Exporter {
  const target = new Nvmet({ config: kernel, address: '10.0.0.1', filesRoot: '/rds/files' });
  target.sweep();
  return new Exporter({ target, device: 'SHA256:a', tell: (line) => told.push(line) });
}

function disk(values: Record<string, string> = {}, id = '*2'): DiskRecord {
  const slot = values['slot'] ?? 'pvc-1';
  const file = { type: 'file', slot, 'file-path': `/pool/${slot}.img`, 'file-size': '1048576' };
  return {
    id,
    values: { ...file, 'nvme-tcp-export': 'yes', 'nvme-tcp-server-nqn': `nqn.x:${slot}`, ...values },
    fixed: {},
  };
}

describe('an export', () => {
  it('is a subsystem with one namespace on the backing file, at a port', () => {
    exporter.follow([disk()]);
    expect(kernel.read(`${NAMESPACE}/device_path`)).toBe('/rds/files/pool/pvc-1.img');
    expect(kernel.read(`${NAMESPACE}/enable`)).toBe('1');
    expect(kernel.read(`${NAMESPACE}/buffered_io`)).toBe('0');
    expect(kernel.read(`${SUBSYSTEM}/attr_allow_any_host`)).toBe('1');
    expect(kernel.list('ports/1/subsystems')).toEqual(['nqn.x:pvc-1']);
    const port = ['addr_trtype', 'addr_adrfam', 'addr_traddr', 'addr_trsvcid'].map((name) =>
      kernel.read(`ports/1/${name}`),
    );
    expect(port).toEqual(['tcp', 'ipv4', '10.0.0.1', '4420']);
    expect(exporter.list()).toEqual([{ slot: 'pvc-1', nqn: 'nqn.x:pvc-1', port: 4420, problem: undefined }]);
    expect(told).toEqual([]);
  });

  it('can be connected to only when its namespace is there', () => {
    exporter.follow([disk()]);
    const linked = kernel.done.indexOf('link ports/1/subsystems/nqn.x:pvc-1');
    expect(linked).toBe(kernel.done.length - 1);
    expect(kernel.done).toContain(`write ${NAMESPACE}/enable 1`);
  });

  it.each([
    ['not exported', { 'nvme-tcp-export': 'no' }],
    ['disabled', { disabled: 'yes' }],
    ['a pool', { type: 'raid' }],
  ])('is not made of a disk that is %s', (_what, values) => {
    exporter.follow([disk(values)]);
    expect(kernel.done).toEqual([]);
  });

  it('has the slot for an NQN where none is given, and the port that is given', () => {
    const { 'nvme-tcp-server-nqn': _none, ...values } = disk({ 'nvme-tcp-server-port': '4421' }).values;
    exporter.follow([{ id: '*2', values, fixed: {} }]);
    expect(kernel.list('subsystems')).toEqual(['pvc-1']);
    expect(kernel.read('ports/1/addr_trsvcid')).toBe('4421');
  });

  it('has an identity that outlives everything but its disk', () => {
    const identity = () => [kernel.read(`${SUBSYSTEM}/attr_serial`), kernel.read(`${NAMESPACE}/device_uuid`)];
    exporter.follow([disk()]);
    const first = identity();
    expect(first[0]).toMatch(/^[0-9a-f]{20}$/);
    expect(first[1]).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    exporter.down();
    exporter.follow([disk({ slot: 'other', 'file-path': '/pool/moved.img', 'nvme-tcp-server-nqn': 'nqn.x:pvc-1' })]);
    expect(identity()).toEqual(first);
    exporter.follow([]);
    exporter.follow([disk({}, '*3')]);
    expect(identity()).not.toEqual(first);
  });

  it('goes off its port before its namespace goes, so that no I/O fails', () => {
    exporter.follow([disk()]);
    exporter.follow([disk({ 'nvme-tcp-export': 'no' })]);
    const off = kernel.done.indexOf('unlink ports/1/subsystems/nqn.x:pvc-1');
    expect(off).toBeGreaterThan(0);
    expect(kernel.done.indexOf(`write ${NAMESPACE}/enable 0`)).toBeGreaterThan(off);
    expect(kernel.left()).toEqual([]);
  });

  it('is looked at anew by its hosts when the disk has grown, and left alone otherwise', () => {
    exporter.follow([disk()]);
    const before = kernel.done.length;
    exporter.follow([disk({ comment: 'x' })]);
    expect(kernel.done.slice(before)).toEqual([]);
    exporter.follow([disk({ 'file-size': '2097152' })]);
    expect(kernel.done.slice(before)).toEqual([`write ${NAMESPACE}/revalidate_size 1`]);
  });

  it('does without direct I/O where the file system has none', () => {
    kernel.withoutDirectIo.add('/rds/files/pool/pvc-1.img');
    exporter.follow([disk()]);
    expect(kernel.read(`${NAMESPACE}/buffered_io`)).toBe('1');
    expect(kernel.read(`${NAMESPACE}/enable`)).toBe('1');
  });
});

describe('allow-host-name', () => {
  const allowed = () => ({
    any: kernel.read(`${SUBSYSTEM}/attr_allow_any_host`),
    hosts: kernel.list(`${SUBSYSTEM}/allowed_hosts`),
    known: kernel.list('hosts'),
  });

  it('lets in the one that it names alone, while the export stays as it is', () => {
    exporter.follow([disk({ 'nvme-tcp-server-allow-host-name': A })]);
    expect(allowed()).toEqual({ any: '0', hosts: [A], known: [A] });
    exporter.follow([disk({ 'nvme-tcp-server-allow-host-name': B })]);
    expect(allowed()).toEqual({ any: '0', hosts: [B], known: [B] });
    exporter.follow([disk({ 'nvme-tcp-server-allow-host-name': '' })]);
    expect(allowed()).toEqual({ any: '1', hosts: [], known: [] });
    expect(kernel.done.filter((line) => line.startsWith('unlink ports'))).toEqual([]);
  });

  it('shares a host between exports', () => {
    const second = disk({ slot: 'pvc-2', 'nvme-tcp-server-allow-host-name': A }, '*3');
    exporter.follow([disk({ 'nvme-tcp-server-allow-host-name': A }), second]);
    exporter.follow([second]);
    expect(kernel.list('hosts')).toEqual([A]);
    exporter.down();
    expect(kernel.left()).toEqual([]);
  });

  it('with a name that cannot be one makes no export at all', () => {
    exporter.follow([disk({ 'nvme-tcp-server-allow-host-name': '../../x' })]);
    expect(kernel.left()).toEqual([]);
    expect(exporter.list()[0]?.problem).toMatch(/no name of a subsystem or a host/);
  });
});

describe('what cannot be exported', () => {
  it('is told once, leaves nothing, and keeps nothing else from being exported', () => {
    kernel.taken.add('10.0.0.1:4420');
    const disks = [disk(), disk({ slot: 'pvc-2', 'nvme-tcp-server-port': '4421' }, '*3')];
    exporter.follow(disks);
    exporter.follow(disks);
    expect(told).toEqual([expect.stringMatching(/^the export of nqn.x:pvc-1: EADDRINUSE/)]);
    expect(kernel.list('subsystems')).toEqual(['nqn.x:pvc-2']);
    expect(kernel.list('ports')).toHaveLength(1);
    kernel.taken.clear();
    exporter.follow(disks);
    expect(exporter.list().map(({ problem }) => problem)).toEqual([undefined, undefined]);
  });

  it('of two disks with the same NQN is the second', () => {
    exporter.follow([disk(), disk({ slot: 'copy', 'nvme-tcp-server-nqn': 'nqn.x:pvc-1' }, '*3')]);
    expect(kernel.read(`${NAMESPACE}/device_path`)).toBe('/rds/files/pool/pvc-1.img');
    expect(exporter.list().map(({ problem }) => problem)).toEqual([undefined, 'pvc-1 has its NQN']);
  });

  it('is what somebody else exports: that is left as it is', () => {
    kernel.makeFolder(SUBSYSTEM);
    exporter.follow([disk()]);
    exporter.down();
    expect(kernel.list('subsystems')).toEqual(['nqn.x:pvc-1']);
    expect(told[0]).toMatch(/EEXIST/);
  });

  it('is nothing at all without the kernel’s target', () => {
    kernel.removeFolder('subsystems');
    expect(newExporter).toThrow(/modprobe nvmet/);
  });
});

describe('an array whose process was killed', () => {
  it('takes away what it left, and nothing of anybody else', () => {
    exporter.follow([disk({ 'nvme-tcp-server-allow-host-name': A }), disk({ slot: 'gone' }, '*3')]);
    kernel.makeFolder('subsystems/foreign');
    kernel.makeFolder('subsystems/foreign/namespaces/1');
    kernel.write('subsystems/foreign/namespaces/1/device_path', '/rds/files-of-another/pool/x.img');
    kernel.link('ports/1/subsystems/foreign', 'subsystems/foreign');
    exporter = newExporter();
    expect(kernel.list('subsystems')).toEqual(['foreign']);
    expect(kernel.list('ports/1/subsystems')).toEqual(['foreign']);
    exporter.follow([disk()]);
    expect(kernel.list('ports/1/subsystems')).toEqual(['foreign', 'nqn.x:pvc-1']);
    exporter.down();
    expect(kernel.list('ports')).toEqual(['1']);
  });

  it('leaves nothing where all was its own', () => {
    exporter.follow([disk({ 'nvme-tcp-server-allow-host-name': A })]);
    newExporter();
    expect(kernel.left()).toEqual([]);
  });
});
