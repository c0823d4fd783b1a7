import { accessSync, constants, existsSync } from 'node:fs';
import { expect, it } from '@jest/globals';

it('is NVMe/TCP target and host at once, and allows what containers often do not', () => {
  expect(existsSync('/sys/kernel/config/nvmet/subsystems')).toBe(true);
  expect(existsSync('/sys/module/nvmet_tcp')).toBe(true);
  accessSync('/dev/nvme-fabrics', constants.R_OK | constants.W_OK);
});
