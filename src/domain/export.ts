import { hostNqnOf } from './host-nqn';
import type { Attachment } from './record';
import type { Volume } from './volume';

/**
 * Whether the RDS itself keeps other nodes out: `off`, its exports are open to whoever connects; `allow-host`, an export names the
 * one host that may, and is off while no node has the volume.
 */
export type Fencing = 'off' | 'allow-host';

/** What a disk's export is to be. One value names one host: where two nodes have a volume, it is open to any. */
export type ExportWish =
  | { readonly kind: 'as-it-is' }
  /** On, for whichever host it names. */
  | { readonly kind: 'on' }
  | { readonly kind: 'any-host' }
  | { readonly kind: 'one-host'; readonly hostNqn: string }
  | { readonly kind: 'off' };

/** A change of an export. */
export interface ExportChange {
  readonly wish: ExportWish;
  /** Whether the sessions that are live end, those of nodes that stay included: these come back by themselves. */
  readonly endSessions: boolean;
}

/** What the export of a volume that these nodes have is to be. Without fencing one that no node has keeps what it has. */
export function exportWishOf(fencing: Fencing, attachments: readonly Attachment[]): ExportWish {
  const [first, ...others] = attachments;
  if (!first) return exportWishAfterLeaving(fencing, attachments);
  if (fencing === 'off' || others.length > 0) return { kind: 'any-host' };
  return { kind: 'one-host', hostNqn: hostNqnOf(first.nodeId) };
}

/**
 * What the common path of attaching asks for, before anybody has looked at the export. Without fencing it does not so much as
 * mention the host: that is asked for only where there is one, which a switch of the option has left behind.
 */
export function firstExportWishOf(fencing: Fencing, attachment: Attachment): ExportWish {
  return fencing === 'off' ? { kind: 'on' } : exportWishOf(fencing, [attachment]);
}

/** As `exportWishOf`, where nodes have let go of the volume: without fencing that depends on no export, and changes none. */
export function exportWishAfterLeaving(fencing: Fencing, attachments: readonly Attachment[]): ExportWish {
  if (fencing === 'off') return { kind: 'as-it-is' };
  return attachments.length === 0 ? { kind: 'off' } : exportWishOf(fencing, attachments);
}

/** Whether the export reads back as wished. */
export function isExportedAs({ exported, allowedHost }: Volume, wish: ExportWish): boolean {
  switch (wish.kind) {
    case 'as-it-is':
      return true;
    case 'on':
      return exported;
    case 'any-host':
      return exported && allowedHost === '';
    case 'one-host':
      return exported && allowedHost === wish.hostNqn;
    case 'off':
      break;
  }
  return !exported;
}
