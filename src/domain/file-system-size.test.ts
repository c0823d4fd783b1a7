import { describe, expect, it } from '@jest/globals';
import { Fault } from './fault';
import { parseExtSize, parseXfsSize } from './file-system-size';

const DUMPE2FS = `Filesystem volume name:   <none>
Block count:              409600
Reserved block count:     0
Block size:               1024
Fragment size:            1024
Blocks per group:         8192
`;
const XFS_GROWFS = `meta-data=/dev/loop0             isize=512    agcount=11, agsize=25600 blks
         =                       sectsz=512   attr=2, projid32bit=1
data     =                       bsize=4096   blocks=262144, imaxpct=25
         =                       sunit=0      swidth=0 blks
log      =internal log           bsize=4096   blocks=16384, version=2
`;

describe('the size of a file system', () => {
  it('ext: blocks and their groups', () =>
    expect(parseExtSize(DUMPE2FS)).toEqual({ sizeBytes: 400n * 1024n * 1024n, remainderBytes: 8n * 1024n * 1024n }));
  it('xfs: blocks of data', () =>
    expect(parseXfsSize(XFS_GROWFS)).toEqual({ sizeBytes: 1024n * 1024n * 1024n, remainderBytes: 64n * 4096n }));
  it.each([
    ['ext', () => parseExtSize('x')],
    ['xfs', () => parseXfsSize('x')],
  ])('%s: anything else is a fault', (_name, act) => expect(act).toThrow(Fault));
});
