/** How long the parts of connecting may take, in milliseconds. */
export interface ConnectorLimits {
  /** One run of a program: `nvme`, `losetup`. */
  readonly commandMs: number;
  /** From the connection to a device that can be used. */
  readonly deviceMs: number;
  /** From the order to disconnect until the kernel has nothing left; and for a connection that is on its way out already. */
  readonly goneMs: number;
  /** Until a device that was looked at anew is as large as it was said to be. */
  readonly growMs: number;
  /** Between two looks at the kernel's tables. */
  readonly pollMs: number;
}

/** A device appears after 2 to 30 s, by others' figures from hardware; an unreachable target is given up after about 4 s. */
export const CONNECTOR_LIMITS: ConnectorLimits = {
  commandMs: 20_000,
  deviceMs: 30_000,
  goneMs: 20_000,
  growMs: 10_000,
  pollMs: 100,
};
