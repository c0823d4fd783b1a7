import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { hasCode } from '../error-code';

/** A folder of the kernel's configfs: folders are its objects, files their attributes, links their relations. */
export interface ConfigFolder {
  /** False: there is nothing of that name. */
  has(name: string): boolean;
  /** Names in a folder, in order; none if it is not there. */
  list(folder: string): readonly string[];
  /** An attribute without its line end. */
  read(attribute: string): string;
  write(attribute: string, value: string): void;
  /** Throws EEXIST. */
  makeFolder(folder: string): void;
  removeFolder(folder: string): void;
  /** `to` is a name in the same folder of configfs. */
  link(name: string, to: string): void;
  unlink(name: string): void;
}

/** The real one. */
export function openConfigFolder(root: string): ConfigFolder {
  const at = (name: string): string => path.join(root, name);
  return {
    has: (name) => lstatSync(at(name), { throwIfNoEntry: false }) !== undefined,
    list: (folder) => {
      try {
        return readdirSync(at(folder)).toSorted();
      } catch (error) {
        if (hasCode(error, 'ENOENT')) return [];
        throw error;
      }
    },
    read: (attribute) => readFileSync(at(attribute), 'utf8').replace(/\n$/, ''),
    // Attributes are there already, or the kernel does not have them.
    write: (attribute, value) => {
      const file = openSync(at(attribute), constants.O_WRONLY);
      try {
        writeSync(file, value);
      } finally {
        closeSync(file);
      }
    },
    makeFolder: (folder) => {
      mkdirSync(at(folder));
    },
    removeFolder: (folder) => rmdirSync(at(folder)),
    link: (name, to) => symlinkSync(realpathSync(at(to)), at(name)),
    unlink: (name) => unlinkSync(at(name)),
  };
}
