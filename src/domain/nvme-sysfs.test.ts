import { describe, expect, it } from '@jest/globals';
import { assert, nat, property } from 'fast-check';
import {
  deviceNumbersOf,
  findDeviceNumbers,
  findSizeBytes,
  isControllerName,
  isNamespaceName,
  parseBackingFile,
} from './nvme-sysfs';

describe('findDeviceNumbers', () => {
  it.each([
    ['259:3', { major: 259, minor: 3 }],
    ['0:39', { major: 0, minor: 39 }],
    ['', undefined],
    ['259', undefined],
    ['259:', undefined],
    ['259:3:1', undefined],
    ['-1:3', undefined],
    ['259:3\n', undefined],
    ['0x103:3', undefined],
  ])('reads %j', (text, numbers) => expect(findDeviceNumbers(text)).toEqual(numbers));
});

describe('findSizeBytes', () => {
  it.each([
    ['0', 0n],
    ['2048', 1_048_576n],
    ['18014398509481983', 2n ** 63n - 512n],
    ['18014398509481984', undefined],
    ['', undefined],
    ['-1', undefined],
    ['20 48', undefined],
    ['0x10', undefined],
    ['1e3', undefined],
  ])('reads %j', (text, bytes) => expect(findSizeBytes(text)).toBe(bytes));
});

describe('names', () => {
  it.each([
    ['nvme0n1', true, false],
    ['nvme10n12', true, false],
    ['nvme0', false, true],
    ['nvme12', false, true],
    ['nvme0c1n1', false, false],
    ['nvme0n1p1', false, false],
    ['ng0n1', false, false],
    ['nvme-subsys0', false, false],
    ['xnvme0n1', false, false],
  ])('tells what %s is', (name, isNamespace, isController) =>
    expect([isNamespaceName(name), isControllerName(name)]).toEqual([isNamespace, isController]),
  );
});

it.each([
  ['/a/b.img', { path: '/a/b.img', deleted: false }],
  ['/a/b.img (deleted)', { path: '/a/b.img', deleted: true }],
  ['/a b/c (deleted) (deleted)', { path: '/a b/c (deleted)', deleted: true }],
])('reads the backing file %s', (text, file) => expect(parseBackingFile(text)).toEqual(file));

it('takes the numbers out of st_rdev, as gnu_dev_makedev puts them in', () => {
  assert(
    property(nat(0xfffff), nat(0xfffff), (major, minor) => {
      const [high, low] = [BigInt(major), BigInt(minor)];
      const rdev =
        ((high & 0xfffff000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffffff00n) << 12n) | (low & 0xffn);
      expect(deviceNumbersOf(rdev)).toEqual({ major, minor });
    }),
  );
});
