import os from 'node:os';
import { id, num, str, textOf, type Value } from '../script/value';
import type { DiskArray } from '../state/array';
import type { Change, Menu, Row } from './row';

export const ROUTEROS_VERSION = '7.21';

function only(values: ReadonlyMap<string, Value>): readonly Row[] {
  return [{ id: '*0', name: '', values, flags: '', columns: [...values.keys()], hidden: new Set() }];
}

/** `/system/identity`. */
export class IdentityMenu implements Menu {
  readonly path = '/system/identity';

  constructor(private readonly array: DiskArray) {}

  rows(): readonly Row[] {
    return only(new Map([['name', str(this.array.identity)]]));
  }

  set(_row: Row, { values }: Change): void {
    const name = values.get('name');
    if (name) this.array.identity = textOf(name);
  }
}

/** `/system/resource`: the uptime is the simulator's, since its last start or reboot. */
export class ResourceMenu implements Menu {
  readonly path = '/system/resource';

  constructor(private readonly startedAt: () => Date) {}

  rows(): readonly Row[] {
    const uptimeMs = Date.now() - this.startedAt().getTime();
    const text = (value: string): Value => str(value);
    return only(
      new Map<string, Value>([
        ['uptime', { type: 'time', value: BigInt(Math.floor(uptimeMs / 1000)) * 1_000_000_000n }],
        ['version', text(`${ROUTEROS_VERSION} (stable)`)],
        ['build-time', text('2026-01-12 09:00:00')],
        ['free-memory', num(BigInt(os.freemem()))],
        ['total-memory', num(BigInt(os.totalmem()))],
        ['cpu', text('simulated')],
        ['cpu-count', num(BigInt(os.cpus().length))],
        ['cpu-load', text('1')],
        ['architecture-name', text('arm64')],
        ['board-name', text('RDS2216 (simulated)')],
        ['platform', text('MikroTik')],
      ]),
    );
  }
}

/** `/log`. */
export class LogMenu implements Menu {
  readonly path = '/log';

  constructor(private readonly array: DiskArray) {}

  rows(): readonly Row[] {
    return this.array.log.map((entry) => {
      const values = new Map<string, Value>([
        ['.id', id(entry.id)],
        ['time', str(entry.time.toISOString().slice(0, 19).replace('T', ' '))],
        ['topics', str(entry.topics)],
        ['message', str(entry.message)],
      ]);
      return { id: entry.id, name: '', values, flags: '', columns: ['time', 'topics', 'message'], hidden: new Set() };
    });
  }
}
