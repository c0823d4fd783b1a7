/**
 * What the second guest does for tests in the first: `agent.mjs ADDRESS PORT`. A connection is one wish, its first line, in JSON:
 *
 * - `{"run": ["nvme", "list"]}`: a program. What it says comes back line by line (`{"out": …}`, `{"err": …}`), then `{"ended": …}`, its
 *   exit code or the signal that ended it. `{"signal": "SIGKILL"}` and `{"endInput": true}` are passed on to it. It is killed when the
 *   connection ends.
 * - `{"socket": "/…/csi.sock"}`: from then on the connection is one to that Unix socket.
 */
import { spawn } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';

const [host, port] = process.argv.slice(2);

function run([file, ...args], client, commands) {
  const say = (message) => client.writable && client.write(`${JSON.stringify(message)}\n`);
  const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  // A program that has ended reads no more.
  child.stdin.on('error', () => {});
  for (const [name, stream] of [
    ['out', child.stdout],
    ['err', child.stderr],
  ]) {
    createInterface({ input: stream }).on('line', (line) => say({ [name]: line }));
  }
  child.once('error', (error) => {
    say({ err: error.message });
    say({ ended: error.message });
  });
  child.once('close', (code, signal) => say({ ended: code ?? signal }));
  commands((line) => {
    const { signal, endInput } = JSON.parse(line);
    if (signal) child.kill(signal);
    if (endInput) child.stdin.end();
  });
  client.once('close', () => child.kill('SIGKILL'));
}

function pipe(path, client, first) {
  const server = connect(path);
  for (const [one, other] of [
    [client, server],
    [server, client],
  ]) {
    one.once('error', () => other.destroy());
    one.once('close', () => other.destroy());
  }
  server.write(first);
  client.pipe(server).pipe(client);
}

/** The first line, and then what came with it. */
function firstLine(client, then) {
  let seen = Buffer.alloc(0);
  const onData = (chunk) => {
    seen = Buffer.concat([seen, chunk]);
    const end = seen.indexOf('\n');
    if (end < 0) return;
    client.off('data', onData).pause();
    then(JSON.parse(seen.subarray(0, end).toString()), seen.subarray(end + 1));
  };
  client.on('data', onData);
}

const server = createServer((client) => {
  client.on('error', () => {});
  firstLine(client, (wish, rest) => {
    if (wish.socket) return pipe(wish.socket, client, rest);
    if (rest.length > 0) client.unshift(rest);
    run(wish.run, client, (onLine) => createInterface({ input: client }).on('line', onLine));
  });
});

server.listen(Number(port), host, () => process.stdout.write('agent: ready\n'));
