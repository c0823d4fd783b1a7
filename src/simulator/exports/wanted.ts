import { createHash } from 'node:crypto';
import { toText } from '../script/bytes';
import type { DiskRecord } from '../state/state-file';

/** What the array exports of one disk over NVMe/TCP. */
export interface WantedExport {
  readonly slot: string;
  readonly nqn: string;
  readonly port: number;
  /** The backing file, as the array names it: with a leading slash. */
  readonly filePath: string;
  readonly fileOffset: string;
  /** Decimal. */
  readonly sizeBytes: string;
  /** The one host NQN that may connect; undefined: every host may. */
  readonly host: string | undefined;
  /** The same for as long as the disk exists, whatever is restarted: a host drops a device that comes back as another one. */
  readonly serial: string;
  readonly uuid: string;
}

/** What a disk exports; undefined: nothing. `device` tells this array from every other. */
export function wantedOf({ id, values }: DiskRecord, device: string): WantedExport | undefined {
  if (values['type'] !== 'file' || values['nvme-tcp-export'] !== 'yes' || values['disabled'] === 'yes')
    return undefined;
  const text = (name: string, otherwise: string): string => toText(values[name] ?? otherwise);
  const slot = text('slot', '');
  const identity = createHash('sha256').update(`${device}\0${id}`).digest('hex');
  return {
    slot,
    nqn: text('nvme-tcp-server-nqn', '') || slot,
    port: Number(values['nvme-tcp-server-port'] ?? '4420'),
    filePath: text('file-path', ''),
    fileOffset: values['file-offset'] ?? '0',
    sizeBytes: values['file-size'] ?? '0',
    host: text('nvme-tcp-server-allow-host-name', '') || undefined,
    serial: identity.slice(0, 20),
    uuid: uuidOf(identity.slice(20)),
  };
}

/** RFC 9562, version 8: bits of one's own. */
function uuidOf(hex: string): string {
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  const fields = [hex.slice(0, 8), hex.slice(8, 12), `8${hex.slice(13, 16)}`, `${variant}${hex.slice(17, 20)}`];
  return [...fields, hex.slice(20, 32)].join('-');
}
