import type { Brand } from './brand';
import { Fault } from './fault';
import { formatUntrusted, utf8Bytes } from './text';

/**
 * A volume's one name: CSI volume ID, slot on the RDS, suffix of its NQN, base name of its backing file.
 * `pvc-` and a lower-case UUID, so that it needs no quoting anywhere.
 */
export type VolumeId = Brand<string, 'VolumeId'>;

/** CSI spec 1.12, Size Limits: strings have at most 128 bytes. */
const LONGEST_BYTES = 128;
const WELL_FORMED = /^[A-Za-z0-9._:-]+$/;
const OF_THIS_DRIVER = /^pvc-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * Throws InvalidArgument for what no CSI driver would call an ID (empty, over 128 bytes, odd characters), and VolumeNotFound
 * for a well-formed ID that this driver never gives out: no such volume can exist.
 */
export function parseVolumeId(text: string, field = 'volume_id'): VolumeId {
  if (text === '') throw new Fault('InvalidArgument', `${field}: missing`);
  if (utf8Bytes(text) > LONGEST_BYTES) {
    throw new Fault('InvalidArgument', `${field}: ${utf8Bytes(text)} bytes, at most ${LONGEST_BYTES} are allowed`);
  }
  if (!WELL_FORMED.test(text)) {
    throw new Fault(
      'InvalidArgument',
      `${field}: ${formatUntrusted(text)} has characters other than A-Z a-z 0-9 . _ : -`,
    );
  }
  if (!OF_THIS_DRIVER.test(text)) {
    throw new Fault('VolumeNotFound', `${field}: no volume ${formatUntrusted(text)}; this driver's are pvc-<uuid>`);
  }
  return text as VolumeId;
}

/** The text as a volume ID if it is one of this driver's form, else undefined. */
export function findVolumeId(text: string): VolumeId | undefined {
  return OF_THIS_DRIVER.test(text) ? parseVolumeId(text) : undefined;
}
