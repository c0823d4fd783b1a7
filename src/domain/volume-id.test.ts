import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { Fault } from './fault';
import { findVolumeId, parseVolumeId } from './volume-id';
import { volumeIdOf } from './volume-id-of';

const ID = 'pvc-3f2504e0-4f89-11d3-9a0c-0305e82c3301';
const anyText = fc.string({ unit: 'binary', maxLength: 200 });

describe('parseVolumeId', () => {
  it.each([
    ['missing', '', 'InvalidArgument', 'volume_id: missing'],
    ['129 bytes', 'x'.repeat(129), 'InvalidArgument', 'volume_id: 129 bytes, at most 128 are allowed'],
    ['65 characters of 2 bytes', 'ä'.repeat(65), 'InvalidArgument', 'volume_id: 130 bytes, at most 128 are allowed'],
    ['a line break', 'pvc\n', 'InvalidArgument', 'volume_id: "pvc\\n" has characters other than A-Z a-z 0-9 . _ : -'],
    ['128 bytes', 'x'.repeat(128), 'VolumeNotFound', `volume_id: no volume "${'x'.repeat(80)}"… (128 characters); `],
  ])('tells what is wrong: %s', (_fact, text, kind, message) => {
    expect(() => parseVolumeId(text)).toThrow(expect.objectContaining({ kind }));
    expect(() => parseVolumeId(text)).toThrow(message);
  });

  it('names the field that it is told', () => {
    expect(() => parseVolumeId('', 'source.volume_id')).toThrow('source.volume_id: missing');
  });

  it('takes or refuses any text, with a Fault that is short and printable', () => {
    fc.assert(
      fc.property(anyText, (text) => {
        try {
          expect(parseVolumeId(text)).toMatch(/^pvc-[0-9a-f-]{36}$/);
        } catch (error) {
          if (!(error instanceof Fault)) throw error;
          expect(error.message).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
          expect(error.message.length).toBeLessThan(700);
        }
      }),
    );
  });
});

describe('findVolumeId', () => {
  it.each([
    [ID, ID],
    ['', undefined],
    ['pvc-1', undefined],
    [`${ID}\n`, undefined],
    ['nvme1', undefined],
  ])('finds in %j %j', (text, found) => expect(findVolumeId(text)).toBe(found));
});

describe('volumeIdOf', () => {
  it.each([
    ['a PV name of the provisioner', ID, ID],
    // UUID v5 in the DNS namespace, of RFC 9562, A.4: www.example.com
    ['any other name', 'www.example.com', 'pvc-2ed6657d-e927-568b-95e1-2665a8aea6a2'],
    ['an upper-case UUID, hashed', ID.toUpperCase(), 'pvc-0cc2ce2a-9245-5c9f-87b3-9f24ff17e601'],
  ])('names %s', (_fact, name, id) => expect(volumeIdOf(name)).toBe(id));

  it.each([
    ['missing', '', 'name: missing'],
    ['129 bytes', 'x'.repeat(129), 'name: 129 bytes, at most 128 are allowed'],
    ['a line break', 'a\nb', 'name: has control characters'],
    ['NUL', '\0', 'name: has control characters'],
    ['a C1 control', 'a\u009fb', 'name: has control characters'],
  ])('refuses a name: %s', (_fact, name, message) => {
    expect(() => volumeIdOf(name)).toThrow(new Fault('InvalidArgument', message));
  });

  it.each(['x'.repeat(128), '"; /system/reboot; "', '$x', '[find]', '../..', 'ä€😀'])('hashes %j', (name) => {
    expect(volumeIdOf(name)).toMatch(/^pvc-[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it('gives equal names equal IDs, other names other IDs, and keeps its own', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(name, name, (one, other) => {
        expect(volumeIdOf(one) === volumeIdOf(other)).toBe(one === other);
        expect(volumeIdOf(volumeIdOf(one))).toBe(volumeIdOf(one));
      }),
    );
  });
});
