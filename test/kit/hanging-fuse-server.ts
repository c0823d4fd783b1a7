/**
 * A program of its own: mounts a FUSE file system at the path that it is given, and never answers what is asked of it. It takes
 * each request from the kernel, so that whoever asked cannot even be killed, as with a block device that is gone. Ends when it is
 * killed (then the kernel answers in its place), or when the file system is unmounted. Node runs it from the sources.
 */
import { spawnSync } from 'node:child_process';
import { openSync, read, readSync, writeSync } from 'node:fs';

const IN_HEADER_BYTES = 40;
const INIT_REPLY_BYTES = 80;
const BUFFER_BYTES = 1024 * 1024;

const device = openSync('/dev/fuse', 'r+');
const options = 'fd=3,rootmode=40000,user_id=0,group_id=0';
const { status } = spawnSync('mount', ['-i', '-t', 'fuse', '-o', options, 'hanging', process.argv[2] ?? ''], {
  stdio: ['ignore', 'inherit', 'inherit', device],
});
if (status !== 0) process.exit(1);

const request = Buffer.alloc(BUFFER_BYTES);
readSync(device, request);
writeSync(device, initReply());
process.stdout.write('mounted\n');
takeRequests();

/** FUSE_INIT has to be answered, or nothing else is asked. */
function initReply(): Buffer {
  const reply = Buffer.alloc(INIT_REPLY_BYTES);
  reply.writeUInt32LE(INIT_REPLY_BYTES, 0);
  request.copy(reply, 8, 8, 16);
  // The major version as the kernel says it; a minor one that every kernel of today knows.
  request.copy(reply, 16, IN_HEADER_BYTES, IN_HEADER_BYTES + 4);
  reply.writeUInt32LE(31, 20);
  reply.writeUInt16LE(12, 32);
  reply.writeUInt16LE(10, 34);
  reply.writeUInt32LE(65_536, 36);
  return reply;
}

function takeRequests(): void {
  read(device, request, 0, request.length, null, (error) => {
    if (error) process.exit(0);
    takeRequests();
  });
}
