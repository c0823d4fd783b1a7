import { utils } from 'ssh2';

export interface KeyLock {
  readonly passphrase: string;
  readonly cipher: string;
  readonly rounds: number;
}

/**
 * A new ed25519 pair in OpenSSH's form. ssh2 1.17 writes about one in 150 so that nobody, itself included, can read it (a
 * public key of 31 bytes): such a one is thrown away.
 */
export function makeSshKeyPair(lock?: KeyLock): { readonly private: string; readonly public: string } {
  for (;;) {
    const pair = lock ? utils.generateKeyPairSync('ed25519', lock) : utils.generateKeyPairSync('ed25519');
    const halves = [utils.parseKey(pair.private, lock?.passphrase), utils.parseKey(pair.public)];
    if (!halves.some((half) => half instanceof Error)) return pair;
  }
}
