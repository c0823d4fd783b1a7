import { Fault } from '../domain/fault';
import type { VolumeId } from '../domain/volume-id';
import type { InTurn } from './turns';

/** What goes wrong with a device or a program says of which volume: nobody who reads it knows what /dev/nvme3n1 was. */
export async function aboutVolume<T>(volumeId: VolumeId, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (!(error instanceof Fault) || error.message.includes(volumeId)) throw error;
    throw new Fault(error.kind, `${volumeId}: ${error.message}`, { cause: error });
  }
}

/** Turns in which whatever goes wrong says of which volume. */
export function aboutItsVolume(inTurn: InTurn): InTurn {
  return (volumeId, act) => aboutVolume(volumeId, () => inTurn(volumeId, act));
}
