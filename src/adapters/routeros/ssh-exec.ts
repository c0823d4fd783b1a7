import type { Socket } from 'node:net';
import type { Client, ClientChannel } from 'ssh2';
import type { ScriptOutput } from '../../domain/routeros/json-line';

/** ssh2's words both for an exec that the server refuses, and for a channel that it closes instead of an answer. */
const UNABLE_TO_EXEC = 'Unable to exec';

export interface RunLimits {
  /** From sending to the end, in milliseconds. */
  readonly limitMs: number;
  /** Most that may be printed on both streams together. */
  readonly mostOutputBytes: number;
  /** Gives up waiting for the answer; what was sent may still take effect. */
  readonly signal: AbortSignal | undefined;
}

/** How an exec ended. */
export type RunOutcome =
  /** The server closed the channel: the script is over, and this is all that it printed. */
  | { readonly kind: 'answered'; readonly output: ScriptOutput }
  /** As `answered`, but it printed more than was kept. */
  | { readonly kind: 'too-long' }
  /** The server did not take the script. */
  | { readonly kind: 'not-sent'; readonly reason: string }
  /** Perhaps sent, and the connection or its channel ended before the end of the script was seen. */
  | { readonly kind: 'lost'; readonly reason: string }
  /** Sent, and not over within its limit. */
  | { readonly kind: 'timed-out' }
  /** Sent, and the caller does not wait any longer. */
  | { readonly kind: 'aborted' };

/** The connection that a script is sent over. */
interface Line {
  readonly client: Client;
  readonly socket: Socket;
  /** Why the connection was lost, once it was. */
  readonly lost: () => string;
}

/** Sends the script and collects what it prints until its channel is closed. Never rejects. */
export function runScript(
  line: Line,
  script: string,
  { limitMs, mostOutputBytes, signal }: RunLimits,
): Promise<RunOutcome> {
  const { client, socket, lost } = line;
  return new Promise((resolve) => {
    let channel: ClientChannel | undefined;
    let over = false;
    const finish = (outcome: RunOutcome): void => {
      over = true;
      clearTimeout(limit);
      signal?.removeEventListener('abort', abort);
      socket.removeListener('close', lose);
      resolve(outcome);
    };
    const leave = (outcome: RunOutcome): void => {
      finish(outcome);
      channel?.close();
    };
    const lose = (): void => finish({ kind: 'lost', reason: lost() });
    const abort = (): void => leave({ kind: 'aborted' });
    const limit = setTimeout(() => leave({ kind: 'timed-out' }), limitMs);
    signal?.addEventListener('abort', abort, { once: true });
    socket.once('close', lose);
    try {
      client.exec(script, (error, opened) => {
        if (error) return finish(whyNotTaken(error, socket.destroyed ? lost() : undefined));
        // The server took the script after all, when nobody waited for it any longer.
        if (over) return opened.close();
        channel = opened;
        return collect(opened, mostOutputBytes, (outcome) => (socket.destroyed ? lose() : finish(outcome)));
      });
    } catch (error) {
      finish({ kind: 'not-sent', reason: error instanceof Error ? error.message : String(error) });
    }
  });
}

/**
 * A channel that the server would not open has carried nothing. One that it opened and closed again without a word may have
 * carried the script, as may a connection that is gone: what RouterOS has made of it nobody knows.
 */
function whyNotTaken(error: Error, lost: string | undefined): RunOutcome {
  if (lost !== undefined) return { kind: 'lost', reason: lost };
  if (error.message === UNABLE_TO_EXEC) return { kind: 'lost', reason: 'its channel was closed without an answer' };
  return { kind: 'not-sent', reason: error.message };
}

/** Keeps on reading past the limit, and throws it away: the end of the script is worth knowing all the same. */
function collect(channel: ClientChannel, mostBytes: number, done: (outcome: RunOutcome) => void): void {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  let bytes = 0;
  const keepIn = (kept: Buffer[]) => (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes <= mostBytes) kept.push(chunk);
  };
  channel.on('data', keepIn(stdout));
  channel.stderr.on('data', keepIn(stderr));
  channel.on('error', () => undefined);
  channel.once('close', () => {
    if (bytes > mostBytes) return done({ kind: 'too-long' });
    const text = (chunks: Buffer[]) => Buffer.concat(chunks).toString('utf8');
    return done({ kind: 'answered', output: { stdout: text(stdout), stderr: text(stderr) } });
  });
}
