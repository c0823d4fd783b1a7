export const BLOCK_BYTES: number;
export function blockOf(seed: string, number: number): Buffer;
export function findWrong(written: {
  readonly file: string;
  readonly seed: string;
  readonly sizeBytes: number;
  readonly count: number;
}): Promise<readonly number[]>;
