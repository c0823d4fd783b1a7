import type { ExportChange } from '../export';
import { quote } from './quote';
import { count, SLOT, when } from './statement';

/** Turns the export of `$o` on, only if it is off: nobody has told what turning it on again does to sessions that are live. */
export const EXPORT_ON = when(`${count('/disk', `${SLOT} nvme-tcp-export=yes`)} = 0`, [
  '/disk set $o nvme-tcp-export=yes',
]);

const EXPORT_OFF = when(`${count('/disk', `${SLOT} nvme-tcp-export=yes`)} > 0`, ['/disk set $o nvme-tcp-export=no']);

/** A value that was never set is none at all, and matches nothing. */
const ANY_HOST = when(`${count('/disk', `${SLOT} nvme-tcp-server-allow-host-name~"."`)} > 0`, [
  '/disk set $o nvme-tcp-server-allow-host-name=""',
]);

/**
 * Statements that change the export of `$o`, as far as it is not so already. The host is named before the export goes on, and no
 * longer only after it is off: an export that was off never lets a host in that the wish does not name.
 */
export function changeExport({ wish, endSessions }: ExportChange): readonly string[] {
  const end = endSessions ? [EXPORT_OFF] : [];
  switch (wish.kind) {
    case 'as-it-is':
      return [];
    case 'on':
      return [...end, EXPORT_ON];
    case 'any-host':
      return [...end, ANY_HOST, EXPORT_ON];
    case 'one-host':
      return [...end, oneHost(wish.hostNqn), EXPORT_ON];
    case 'off':
      break;
  }
  return [EXPORT_OFF, ANY_HOST];
}

function oneHost(hostNqn: string): string {
  const name = `nvme-tcp-server-allow-host-name=${quote(hostNqn)}`;
  return when(`${count('/disk', `${SLOT} ${name}`)} = 0`, [`/disk set $o ${name}`]);
}
