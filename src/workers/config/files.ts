import { readFileSync, statSync } from 'node:fs';
import { getSystemErrorMessage, types } from 'node:util';
import { Secret } from './secret';

/** Far more than a certificate bundle or a list of known hosts has. */
const LARGEST_BYTES = 1024 * 1024;
/** Group and world may be told apart by the pod's fsGroup; the world may never read. */
const READABLE_BY_OTHERS = 0o004;
/** What is no path is not repeated in a message: it may be the secret itself, put where its file's name belongs. */
const LOOKS_LIKE_PATH = /^\.{0,2}\/[A-Za-z0-9 ._@+:/-]{1,255}$/;

/** A file that the configuration names, as it was at start. */
export interface FileContent {
  readonly text: string;
  /** Permission bits, as `stat` gives them. */
  readonly mode: number;
}

/** Throws what `node:fs` throws. Tests hand in their own. */
export type ReadFile = (path: string) => FileContent;

/** A file named by the configuration cannot be used; the message never holds its content. */
export class FileProblem extends Error {
  override readonly name = 'FileProblem';
}

/** Reads a file from the disk. Throws also FileProblem: not a regular file, or far too large. */
export function readConfigFile(path: string): FileContent {
  const status = statSync(path);
  if (status.isDirectory()) throw new FileProblem('is a directory');
  if (!status.isFile()) throw new FileProblem('is not a regular file');
  if (status.size > LARGEST_BYTES) throw new FileProblem(`has ${status.size} bytes, at most ${LARGEST_BYTES} are read`);
  return { text: readFileSync(path, 'utf8'), mode: status.mode };
}

/** The content of a file, which is not empty. Throws FileProblem in the words of the operating system. */
export function getFile(path: string, readFile: ReadFile): FileContent {
  if (!LOOKS_LIKE_PATH.test(path)) {
    throw new FileProblem('is no path of a file: absolute, or beginning with ./ (what was given is not repeated here)');
  }
  const content = tryRead(path, readFile);
  if (content.text.trim() === '') throw new FileProblem(`${path} is empty`);
  return content;
}

/** As `getFile`, for a file that only its owner and group should read: `warn` is told if others can. */
export function getSecretFile(path: string, readFile: ReadFile, warn: (message: string) => void): Secret {
  const { text, mode } = getFile(path, readFile);
  if ((mode & READABLE_BY_OTHERS) !== 0) {
    warn(`${path} can be read by every user (mode ${(mode & 0o777).toString(8).padStart(4, '0')})`);
  }
  return new Secret(text);
}

/** A secret that is one line, such as a password: without the line's end. Throws FileProblem if there is more. */
export function singleLineOf(secret: Secret, path: string): Secret {
  const line = secret.reveal().replace(/\r?\n$/, '');
  if (/\p{Cc}/u.test(line)) throw new FileProblem(`${path} has more than one line, or control characters`);
  return new Secret(line);
}

function tryRead(path: string, readFile: ReadFile): FileContent {
  try {
    return readFile(path);
  } catch (error) {
    if (error instanceof FileProblem) throw new FileProblem(`${path} ${error.message}`);
    throw new FileProblem(`${path} cannot be read: ${reasonOf(error)}`);
  }
}

/** `no such file or directory (ENOENT)`. */
function reasonOf(error: unknown): string {
  if (!types.isNativeError(error)) return 'unknown error';
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.name;
  return 'errno' in error && typeof error.errno === 'number' ? `${getSystemErrorMessage(error.errno)} (${code})` : code;
}
