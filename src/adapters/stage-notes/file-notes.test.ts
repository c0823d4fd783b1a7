import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { parseNodeId, parseSubsystemNqn } from '../../domain/nqn';
import { parseVolumeId } from '../../domain/volume-id';
import { createFileNotes } from './file-notes';
import type { StageNote, StageNotesPort } from './port';

const volumeId = parseVolumeId('pvc-0f9d1ac4-7c1b-4a5e-9d59-3a3a6f3f0a11');
let folder: string;
let stagingTargetPath: string;
let notes: StageNotesPort;

const noteOf = (partial: Partial<StageNote> = {}): StageNote => ({
  volumeId,
  nodeId: parseNodeId('node-a', 'nodeId'),
  nqn: parseSubsystemNqn(`nqn.2000-02.com.mikrotik:${volumeId}`, 'nqn'),
  stagingTargetPath,
  mode: { kind: 'mount', fileSystem: 'xfs', mountFlags: ['noatime'], readOnly: false },
  connectedBy: 'run-1',
  mountedBy: undefined,
  madeBy: 'run-1',
  devicesAt: [],
  readOnlyAt: [],
  ...partial,
});

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'rds-csi-notes-'));
  stagingTargetPath = path.join(folder, 'globalmount');
  notes = createFileNotes({ indexDir: path.join(folder, 'index') });
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

describe('a note', () => {
  it('is listed until it is removed; drafts and marks of formats are not', async () => {
    expect(await notes.list()).toEqual([]);
    await notes.setFormatting(volumeId, true);
    await notes.write(noteOf());
    writeFileSync(path.join(folder, 'index', `${volumeId}.new`), 'half');
    expect(await notes.list()).toEqual([noteOf()]);
    await notes.remove(noteOf());
    expect(await notes.list()).toEqual([]);
  });

  it('that cannot be read keeps none of another volume from being listed', async () => {
    const other = noteOf({
      volumeId: parseVolumeId('pvc-0f9d1ac4-7c1b-4a5e-9d59-3a3a6f3f0a12'),
      stagingTargetPath: path.join(folder, 'other'),
    });
    for (const note of [noteOf(), other]) await notes.write(note);
    writeFileSync(`${stagingTargetPath}.rds-csi.json`, '');
    await expect(notes.find(stagingTargetPath)).rejects.toThrow(stagingTargetPath);
    expect(await notes.list()).toEqual([other]);
  });

  it('is read back as it was written, by its path and by its volume, after a restart too', async () => {
    await notes.write(noteOf());
    await notes.write(noteOf({ mountedBy: 'run-2', mode: { kind: 'block', readOnly: true }, devicesAt: ['/a/b'] }));
    const again = createFileNotes({ indexDir: path.join(folder, 'index') });
    const expected = noteOf({ mountedBy: 'run-2', mode: { kind: 'block', readOnly: true }, devicesAt: ['/a/b'] });
    expect(await again.find(stagingTargetPath)).toEqual(expected);
    expect(await again.findOf(volumeId)).toEqual(expected);
  });

  it('is gone after its removal, with all that it was made of', async () => {
    await notes.write(noteOf());
    await notes.remove(noteOf());
    await notes.remove(noteOf());
    expect(await notes.find(stagingTargetPath)).toBeUndefined();
    expect(await notes.findOf(volumeId)).toBeUndefined();
    expect(readdirSync(folder)).toEqual(['index']);
    expect(readdirSync(path.join(folder, 'index'))).toEqual([]);
  });

  it('of a format that was broken off outlives the stage', async () => {
    await notes.write(noteOf());
    await notes.setFormatting(volumeId, true);
    await notes.remove(noteOf());
    expect(await notes.isFormatting(volumeId)).toBe(true);
    await notes.setFormatting(volumeId, false);
    expect(await notes.isFormatting(volumeId)).toBe(false);
  });

  it('of an earlier staging path does not take the later one’s place in the index when it goes', async () => {
    await notes.write(noteOf());
    const later = noteOf({ stagingTargetPath: path.join(folder, 'later') });
    await notes.write(later);
    await notes.remove(noteOf());
    expect(await notes.findOf(volumeId)).toEqual(later);
  });

  it('of an earlier staging path is found again when the later one goes', async () => {
    await notes.write(noteOf());
    const later = noteOf({ stagingTargetPath: path.join(folder, 'later') });
    await notes.write(later);
    expect(await notes.listOf(volumeId)).toEqual([noteOf(), later]);
    await notes.remove(later);
    expect(await notes.listOf(volumeId)).toEqual([noteOf()]);
    expect(await notes.findOf(volumeId)).toEqual(noteOf());
    await notes.remove(noteOf());
    expect(readdirSync(path.join(folder, 'index'))).toEqual([]);
  });

  it('is found by a place of its device nodes, whosever it is, past notes that cannot be read', async () => {
    expect(await notes.listWithDeviceAt('/pod/a')).toEqual([]);
    const first = noteOf({ devicesAt: ['/pod/a', '/pod/b'] });
    const otherId = parseVolumeId('pvc-0f9d1ac4-7c1b-4a5e-9d59-3a3a6f3f0a22');
    const other = noteOf({ volumeId: otherId, stagingTargetPath: path.join(folder, 'other'), devicesAt: ['/pod/a'] });
    await notes.write(first);
    await notes.write(other);
    await notes.setFormatting(volumeId, true);
    expect(await notes.listWithDeviceAt('/pod/a')).toEqual(expect.arrayContaining([first, other]));
    expect(await notes.listWithDeviceAt('/pod/b')).toEqual([first]);
    expect(await notes.listWithDeviceAt('/pod')).toEqual([]);
    writeFileSync(`${stagingTargetPath}.rds-csi.json`, '{');
    expect(await notes.listWithDeviceAt('/pod/a')).toEqual([other]);
    await notes.remove(other);
    expect(await notes.listWithDeviceAt('/pod/a')).toEqual([]);
  });

  it('that cannot be written is told, and leaves no draft', async () => {
    mkdirSync(`${stagingTargetPath}.rds-csi.json`);
    await expect(notes.write(noteOf())).rejects.toMatchObject({ kind: 'NodeToolFailed' });
    expect(readdirSync(folder)).toEqual(['globalmount.rds-csi.json']);
  });

  it('of an older driver names no run that made it', async () => {
    const { madeBy: _madeBy, readOnlyAt: _readOnlyAt, ...older } = noteOf();
    writeFileSync(`${stagingTargetPath}.rds-csi.json`, JSON.stringify({ version: 1, ...older }));
    expect(await notes.find(stagingTargetPath)).toEqual(noteOf({ madeBy: undefined }));
  });

  it.each(['', '{', '{"version":2}', JSON.stringify({ version: 1, volumeId: '../x' })])(
    'that is %j is told, never taken for none',
    async (text) => {
      writeFileSync(`${stagingTargetPath}.rds-csi.json`, text);
      await expect(notes.find(stagingTargetPath)).rejects.toMatchObject({ kind: 'NodeToolFailed' });
    },
  );
});
