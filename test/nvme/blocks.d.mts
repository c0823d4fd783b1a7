export const BLOCK_BYTES: number;
export function blockOf(seed: string, number: number): Buffer;
