import { beforeEach, describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import type { SweepParts } from '../activities/session-sweep';
import { createTurns } from '../activities/turns';
import { parseNqnPrefix } from '../domain/nqn';
import { parseBytes } from '../domain/size';
import { sweepAtStart } from './sweep';

const nqnPrefix = parseNqnPrefix('nqn.2000-02.com.mikrotik:', 'nqnPrefix');
const volumeIds = [1, 2].map((number) => `pvc-00000000-0000-4000-8000-00000000000${number}`);
const names = volumeIds.map((volumeId) => `${nqnPrefix}${volumeId}`);
const lines: string[] = [];
const tell = (_fields: object, line: string) => lines.push(line);
const logger = { debug: tell, info: tell, warn: tell, error: tell };
const running = new AbortController().signal;
let registry: Registry;
let parts: { -readonly [Part in keyof SweepParts]: SweepParts[Part] };

beforeEach(() => {
  lines.length = 0;
  registry = new Registry();
  parts = {
    nqnPrefix,
    nowMs: () => 0,
    inTurn: createTurns({ longestWaitMs: 1_000 }),
    mounts: { list: async () => [] },
    notes: { findOf: async () => undefined },
    traces: { find: async () => [] },
    fileSystems: { requireUnused: async () => undefined },
    connector: {
      sessions: async () => new Map(names.map((name) => [name, { state: 'live', isOurs: true }])),
      find: async (nqn) => ({
        nqn,
        path: '/dev/nvme1n1',
        major: 259,
        minor: Number(nqn.at(-1)),
        sizeBytes: parseBytes(1n, 'size'),
        state: 'live',
      }),
      disconnect: async () => undefined,
    },
    deviceUsers: {
      find: async (devices) =>
        devices.map(({ minor }) => ({ users: minor === 2 ? ['qemu[7] has it open'] : [], unknown: [] })),
    },
  };
});

describe('sweepAtStart', () => {
  it('counts and tells what was swept, and what was left and why', async () => {
    await sweepAtStart(parts, { logger, registry, signal: running });
    const text = await registry.metrics();
    expect(text).toContain('rds_csi_nvme_sessions_swept_total{result="swept"} 1');
    expect(text).toContain('rds_csi_nvme_sessions_swept_total{result="in_use"} 1');
    expect(text).not.toContain('pvc-');
    expect(lines).toEqual([
      'disconnected: it was left over, no stage on this node knew of it, nobody used it',
      'connected, and no stage of this driver knows of it; it stays: /dev/nvme1n1 is in use: qemu[7] has it open',
    ]);
  });

  it('never fails', async () => {
    parts.connector = {
      ...parts.connector,
      sessions: async () => {
        throw new Error('no sysfs');
      },
    };
    await sweepAtStart(parts, { logger, registry, signal: running });
    expect(lines).toEqual(['connections that were left over could not be looked for']);
  });

  it.each<[string, number, () => AbortSignal]>([
    ['its limit', 20, () => running],
    ['the end of the process', 60_000, () => AbortSignal.timeout(20)],
    ['the end of a process that is over already', 60_000, () => AbortSignal.abort()],
  ])('waits no longer than %s, and ends nothing afterwards', async (_what, limitMs, signal) => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const disconnected: string[] = [];
    parts.fileSystems = { requireUnused: () => promise };
    parts.connector = { ...parts.connector, disconnect: async (nqn) => void disconnected.push(nqn) };
    await sweepAtStart(parts, { logger, registry, signal: signal(), limitMs });
    resolve(undefined);
    while (lines.length < 2) await new Promise((next) => setImmediate(next));
    expect(lines).toEqual(lines.map(() => expect.stringContaining('the time for it at the start was over')));
    expect(disconnected).toEqual([]);
  });
});
