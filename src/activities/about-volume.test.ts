import { expect, it } from '@jest/globals';
import { Fault } from '../domain/fault';
import { parseVolumeId } from '../domain/volume-id';
import { aboutVolume } from './about-volume';

const volumeId = parseVolumeId('pvc-00000000-0000-4000-8000-000000000001');
const failing = (error: Error) =>
  aboutVolume(volumeId, async () => {
    throw error;
  });

it('names the volume, and keeps the kind', async () => {
  const fault = new Fault('NodeToolFailed', '/dev/nvme3n1: mkfs.ext4 ended with exit code 1');
  await expect(failing(fault)).rejects.toMatchObject({
    kind: 'NodeToolFailed',
    message: `${volumeId}: /dev/nvme3n1: mkfs.ext4 ended with exit code 1`,
  });
});

it('says nothing twice, and leaves bugs as they are', async () => {
  const [named, bug] = [new Fault('NotStaged', `${volumeId} is not staged`), new TypeError('x')];
  await expect(failing(named)).rejects.toBe(named);
  await expect(failing(bug)).rejects.toBe(bug);
  await expect(aboutVolume(volumeId, async () => 1)).resolves.toBe(1);
});
