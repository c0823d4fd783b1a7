import { v5 as uuidOfName } from 'uuid';
import { Fault } from './fault';
import { hasControlCharacter, utf8Bytes } from './text';
import { findVolumeId, parseVolumeId, type VolumeId } from './volume-id';

/** CSI spec 1.12, Size Limits: strings have at most 128 bytes. */
const LONGEST_BYTES = 128;

/**
 * The volume ID for a name that CreateVolume gives: the same name has the same ID for ever, whichever replica is asked.
 * `pvc-<uuid>`, as the provisioner names volumes, is kept; any other name is hashed (UUID v5 in the DNS namespace).
 * Throws InvalidArgument: empty, over 128 bytes, control characters.
 */
export function volumeIdOf(name: string): VolumeId {
  if (name === '') throw new Fault('InvalidArgument', 'name: missing');
  if (utf8Bytes(name) > LONGEST_BYTES) {
    throw new Fault('InvalidArgument', `name: ${utf8Bytes(name)} bytes, at most ${LONGEST_BYTES} are allowed`);
  }
  if (hasControlCharacter(name)) throw new Fault('InvalidArgument', 'name: has control characters');
  return findVolumeId(name) ?? parseVolumeId(`pvc-${uuidOfName(name, uuidOfName.DNS)}`);
}
