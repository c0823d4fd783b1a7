import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createHostKeyCheck, fingerprintOf } from './host-key';

// Made by ssh-keygen, fingerprints and hashed host names too: an authority that is not this code.
const KEY = 'AAAAC3NzaC1lZDI1NTE5AAAAIDUrPMYpJIv+n/u+BUZaKD4d8ANZQRz1ryiRug+Iy97d';
const FINGERPRINT = 'SHA256:BPmI8Ws+mMhOzWxOoTCVOTlrm6AWuebnLQPHh3q5RiA';
const OTHER_KEY = 'AAAAC3NzaC1lZDI1NTE5AAAAIBm235gWvXlBBQDRvWNfvhY+pIkVp021eF02tTVA6zH7';
const OTHER_FINGERPRINT = 'SHA256:/O5X824X5LF6+t7Uw84Sbkbf0f821Fc8lpHrHQoxjCM';
const HASHED = `|1|thtwZBkk+wz8yOpLtMIeNsYzCaM=|zcEllkEdiNOXLTPAOf2z78GzI2E= ssh-ed25519 ${KEY}`;
const HASHED_WITH_PORT = `|1|rPxI0lslb36IC9ZovZ/mXtuWtMc=|rKxX8FTr3kQUM0M1zxOdCSKTa9A= ssh-ed25519 ${KEY}`;

const key = Buffer.from(KEY, 'base64');
const otherKey = Buffer.from(OTHER_KEY, 'base64');
const target = { host: 'rds.example', port: 22 };

describe('fingerprintOf', () => {
  it('is as OpenSSH shows it', () => {
    expect(fingerprintOf(key)).toBe(FINGERPRINT);
    expect(fingerprintOf(otherKey)).toBe(OTHER_FINGERPRINT);
  });
});

describe('a pinned key', () => {
  it.each([
    ['as an OpenSSH line', `ssh-ed25519 ${KEY}`, ['ssh-ed25519']],
    ['with a comment and white space', `  ssh-ed25519   ${KEY} admin@rds\n`, ['ssh-ed25519']],
    ['as a fingerprint', FINGERPRINT, []],
    ['as a padded fingerprint', `${FINGERPRINT}=`, []],
  ])('%s lets that key in, and no other', (_fact, pinned, types) => {
    const check = createHostKeyCheck({ kind: 'pinned', key: pinned }, target)();
    expect(check.types).toEqual(types);
    expect(check.whyRefused(key)).toBeUndefined();
    const why = check.whyRefused(otherKey);
    expect(why).toContain(`ssh-ed25519 ${OTHER_FINGERPRINT}`);
    expect(why).toContain(FINGERPRINT);
    expect(why).toContain('if the RDS was given a new key');
  });

  it.each(['', 'ssh-ed25519', 'ssh-ed25519 AAAA', `ssh-rsa ${KEY}`, 'SHA256:short', 'MD5:00:11', KEY])(
    '%j is no key',
    (pinned) => {
      expect(() => createHostKeyCheck({ kind: 'pinned', key: pinned }, target)).toThrow(
        expect.objectContaining({ kind: 'InvalidArgument' }),
      );
    },
  );
});

describe('a known_hosts file', () => {
  let folder: string;
  let path: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'known-hosts-'));
    path = join(folder, 'known_hosts');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const whyRefused = (text: string, { offered = key, port = 22 } = {}) => {
    writeFileSync(path, text);
    return createHostKeyCheck({ kind: 'known-hosts', path }, { ...target, port })().whyRefused(offered);
  };

  it.each([
    ['by name', `rds.example ssh-ed25519 ${KEY}`, 22],
    ['by name in another case', `RDS.Example ssh-ed25519 ${KEY}`, 22],
    ['by one of several names', `10.0.0.1,rds.example ssh-ed25519 ${KEY} a comment`, 22],
    ['by name and port', `[rds.example]:2222 ssh-ed25519 ${KEY}`, 2222],
    ['by hashed name', HASHED, 22],
    ['by hashed name and port', HASHED_WITH_PORT, 2222],
    ['by pattern', `*.example ssh-ed25519 ${KEY}`, 22],
    ['beside other keys', `rds.example ssh-ed25519 ${OTHER_KEY}\nrds.example ssh-ed25519 ${KEY}`, 22],
    ['among comments, empty and broken lines', `# a\n\nrds.example\nrds.example ssh-ed25519 x\n${HASHED}\r\n`, 22],
  ])('lets a key in that it knows %s', (_fact, text, port) => expect(whyRefused(text, { port })).toBeUndefined());

  it.each([
    ['is empty', '', 22],
    ['knows another host', `other.example ssh-ed25519 ${KEY}`, 22],
    ['knows a host whose name begins so', `rds.example.org ssh-ed25519 ${KEY}`, 22],
    ['knows the host on the default port alone', `rds.example ssh-ed25519 ${KEY}`, 2222],
    ['knows the host on another port', `[rds.example]:2222 ssh-ed25519 ${KEY}`, 22],
    ['hashed the name for another port', HASHED, 2222],
    ['excludes the host from a pattern', `*.example,!rds.example ssh-ed25519 ${KEY}`, 22],
    ['trusts it as an authority alone', `@cert-authority rds.example ssh-ed25519 ${KEY}`, 22],
  ])('that %s refuses the key, and says which line would let it in', (_fact, text, port) => {
    const why = whyRefused(text, { port });
    expect(why).toContain(`ssh-ed25519 ${FINGERPRINT}`);
    expect(why).toContain(`"${port === 22 ? 'rds.example' : '[rds.example]:2222'} ssh-ed25519 ${KEY}"`);
  });

  it('that knows another key tells both', () => {
    const why = whyRefused(`rds.example ssh-ed25519 ${OTHER_KEY}`);
    expect(why).toContain(FINGERPRINT);
    expect(why).toContain(OTHER_FINGERPRINT);
  });

  it('that has revoked the key refuses it, even where another line knows it', () => {
    expect(whyRefused(`rds.example ssh-ed25519 ${KEY}\n@revoked * ssh-ed25519 ${KEY}`)).toContain('revoked');
  });

  it('that is not there refuses every key', () => {
    const check = createHostKeyCheck({ kind: 'known-hosts', path: join(folder, 'none') }, target)();
    expect(check.whyRefused(key)).toContain('ENOENT');
  });

  it('is read anew for each connection', () => {
    const check = createHostKeyCheck({ kind: 'known-hosts', path }, target);
    expect(check().whyRefused(key)).toBeDefined();
    writeFileSync(path, HASHED);
    expect(check().whyRefused(key)).toBeUndefined();
    expect(check().types).toEqual(['ssh-ed25519']);
  });

  it.each([
    ['nothing', Buffer.alloc(0)],
    ['too little', Buffer.from([0, 0, 0, 200, 1])],
    ['control characters', Buffer.concat([Buffer.from([0, 0, 0, 3]), Buffer.from('a\nb')])],
  ])('refuses a key of %s without repeating it', (_fact, offered) => {
    const why = whyRefused(HASHED, { offered });
    expect(why).toContain('offered is unknown SHA256:');
  });
});
