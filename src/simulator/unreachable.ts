/** Stands behind a switch over every case there is. */
export function unreachable(value: never): never {
  throw new Error(`not a case: ${String(value)}`);
}
