import { generateKeyPairSync } from 'node:crypto';
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { makeSshKeyPair } from '../../../test/kit/ssh-keys';
import { ConfigError } from './config-error';
import { type CONTROLLER_FIELDS, type ControllerConfig, loadControllerConfig } from './controller-config';
import { flagOf, variableOf } from './field';
import { FileProblem, type ReadFile } from './files';
import type { Environment, Flags } from './load';

const KEY = makeSshKeyPair().private;
const LOCKED_KEY = makeSshKeyPair({ passphrase: 'open sesame', cipher: 'aes256-ctr', rounds: 4 });
const HOST_KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIDcZlxgRNnX2ZSZlixUa7pKW13TarYDMaAwkCssLSmy1';

// A throw-away certificate for tests (P-256, self-signed) and its key.
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBjTCCATOgAwIBAgIUAt5ilsOFeO9OFbaoeG/HdV79CDMwCgYIKoZIzj0EAwIw
GzEZMBcGA1UEAwwQdGVtcG9yYWwuZXhhbXBsZTAgFw0yNjExMjEwODI5NTZaGA8y
MTI2MTAyODA4Mjk1NlowGzEZMBcGA1UEAwwQdGVtcG9yYWwuZXhhbXBsZTBZMBMG
ByqGSM49AgEGCCqGSM49AwEHA0IABGbT6CR9O3tV0hMuF5Asfeccvq9gw8INMy8j
0Yuo76vaws74l6RAIXDUtM1PcLJ/1h27/kIh+JIzTMNlIFMPMPqjUzBRMB0GA1Ud
DgQWBBS38D/OtdZTAOzUQlVgppH2ysQYuzAfBgNVHSMEGDAWgBS38D/OtdZTAOzU
QlVgppH2ysQYuzAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0gAMEUCIBIL
gjXsPg9dLKnfitwUYxy8PoaVBv05jl15PJNU15t2AiEAmlayxzfK4QvfQYysNdJ+
13NhvHoWELN9CwxCJP8PmZs=
-----END CERTIFICATE-----
`;
const CERTIFICATE_KEY = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgonF0/cpf07C02fjF
7eya3PjZE3fgQgsq1iPGZ4wQqimhRANCAARm0+gkfTt7VdITLheQLH3nHL6vYMPC
DTMvI9GLqO+r2sLO+JekQCFw1LTNT3Cyf9Ydu/5CIfiSM0zDZSBTDzD6
-----END PRIVATE KEY-----
`;

const OTHER_KEY = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
}).privateKey;

const FILES: Readonly<Record<string, string>> = {
  '/k/id': KEY,
  '/k/locked': LOCKED_KEY.private,
  '/k/public': HOST_KEY,
  '/k/passphrase': 'open sesame\n',
  '/k/password': 'hunter2\n',
  '/k/two-lines': 'one\ntwo\n',
  '/k/empty': ' \n',
  '/k/known_hosts': `rds.example ${HOST_KEY}\n`,
  '/k/tls.crt': CERTIFICATE,
  '/k/tls.key': CERTIFICATE_KEY,
  '/k/other.key': OTHER_KEY,
  '/k/api-key': 'eyJ-api-key\n',
  '/k/kubeconfig': 'current-context: prod\ncontexts: [{name: prod}]\nusers: [{user: {token: hunter2}}]\n',
  '/k/kubeconfig-more': 'contexts: [{name: dev}]\n',
  '/k/kubeconfig-bare': 'current-context: prod\n',
  '/k/kubeconfig-broken': 'token: "hunter2\n',
};

const filesOf =
  (files: Readonly<Record<string, string>>, mode = 0o100400): ReadFile =>
  (path) => {
    const text = files[path];
    if (text === undefined) {
      throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), {
        errno: -2,
        code: 'ENOENT',
      });
    }
    return { text, mode };
  };

const NEEDED: Flags = {
  clusterId: 'prod-1',
  volumePaths: ['/pool/csi'],
  rdsAddress: '10.0.0.1',
  rdsUser: 'csi',
  rdsPrivateKeyFile: '/k/id',
  rdsHostKey: HOST_KEY,
};

interface Given {
  readonly flags?: Flags;
  readonly env?: Environment;
  readonly yaml?: string;
  readonly files?: Readonly<Record<string, string>>;
}

function load({ flags = {}, env = {}, yaml, files = {} }: Given): ControllerConfig {
  const all = { ...FILES, ...files, ...(yaml === undefined ? {} : { '/etc/config.yaml': yaml }) };
  const config = yaml === undefined ? {} : { config: '/etc/config.yaml' };
  return loadControllerConfig({ flags: { ...config, ...flags }, env, readFile: filesOf(all) });
}

function problemsOf(given: Given): readonly string[] {
  try {
    load(given);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const [title, ...lines] = error.message.split('\n');
    expect(title).toBe('The configuration is wrong:');
    return lines.map((line) => line.trim());
  }
  return [];
}

const needed = (flags: Flags): Given => ({ flags: { ...NEEDED, ...flags } });

describe('a configuration with what is needed alone', () => {
  it('has the documented defaults', () => {
    expect(load(needed({}))).toEqual({
      socketPath: '/csi/csi.sock',
      driverName: 'rds.csi.srvlab.io',
      clusterId: 'prod-1',
      volumePaths: ['/pool/csi'],
      rds: {
        address: '10.0.0.1',
        port: 22,
        user: 'csi',
        privateKey: expect.anything(),
        passphrase: undefined,
        password: undefined,
        hostKey: { kind: 'pinned', key: HOST_KEY },
        maxExecs: 4,
      },
      nvme: { address: '10.0.0.1', port: 4420, nqnPrefix: 'nqn.2000-02.com.mikrotik:' },
      temporal: { address: 'localhost:7233', namespace: 'default', tls: undefined, apiKey: undefined },
      fencing: 'off',
      kubernetes: undefined,
      nodeCheck: 'task-queue',
      reconcile: { intervalSeconds: 300, rules: { graceSeconds: 30, orphanAgeSeconds: 600 } },
      httpAddress: { host: undefined, port: 9809 },
      logLevel: 'info',
      warnings: [],
    });
  });

  it('reads secrets at start, without the line end of those of one line', () => {
    const { rds, temporal } = load(
      needed({
        rdsPrivateKeyFile: '/k/locked',
        rdsPrivateKeyPassphraseFile: '/k/passphrase',
        rdsPasswordFile: '/k/password',
        temporalApiKeyFile: '/k/api-key',
      }),
    );
    expect(rds.privateKey?.reveal()).toBe(LOCKED_KEY.private);
    expect(rds.passphrase?.reveal()).toBe('open sesame');
    expect(rds.password?.reveal()).toBe('hunter2');
    expect(temporal.apiKey?.reveal()).toBe('eyJ-api-key');
  });
});

describe('each field', () => {
  it.each<[keyof typeof CONTROLLER_FIELDS, string, (config: ControllerConfig) => unknown, unknown]>([
    ['endpoint', 'unix:///run/x.sock', (config) => config.socketPath, '/run/x.sock'],
    ['driverName', 'csi.example.com', (config) => config.driverName, 'csi.example.com'],
    ['clusterId', 'a.b_c-1', (config) => config.clusterId, 'a.b_c-1'],
    ['volumePaths', '/a, /b/c', (config) => config.volumePaths, ['/a', '/b/c']],
    ['rdsAddress', 'fd00::1', (config) => config.rds.address, 'fd00::1'],
    ['rdsAddress', 'rds.example', (config) => config.rds.address, 'rds.example'],
    ['rdsPort', '65535', (config) => config.rds.port, 65_535],
    ['rdsUser', 'csi@tenant', (config) => config.rds.user, 'csi@tenant'],
    ['rdsMaxExecs', '64', (config) => config.rds.maxExecs, 64],
    ['rdsHostKey', `${HOST_KEY} admin@rds`, (config) => config.rds.hostKey, { kind: 'pinned', key: HOST_KEY }],
    [
      'rdsHostKey',
      `SHA256:${'a'.repeat(43)}=`,
      (config) => config.rds.hostKey,
      { kind: 'pinned', key: `SHA256:${'a'.repeat(43)}` },
    ],
    ['nvmeAddress', '10.0.0.2', (config) => config.nvme.address, '10.0.0.2'],
    ['nvmePort', '1', (config) => config.nvme.port, 1],
    ['nqnPrefix', 'nqn.2020-01.io.example', (config) => config.nvme.nqnPrefix, 'nqn.2020-01.io.example:'],
    ['temporalAddress', 'temporal', (config) => config.temporal.address, 'temporal:7233'],
    ['temporalAddress', '[fd00::1]:80', (config) => config.temporal.address, '[fd00::1]:80'],
    ['temporalNamespace', 'rds.a1b2c', (config) => config.temporal.namespace, 'rds.a1b2c'],
    ['temporalTls', 'true', (config) => config.temporal.tls, {}],
    ['temporalTls', 'false', (config) => config.temporal.tls, undefined],
    ['temporalTlsServerName', 't.example', (config) => config.temporal.tls, { serverNameOverride: 't.example' }],
    [
      'temporalTlsCaFile',
      '/k/tls.crt',
      (config) => config.temporal.tls,
      { serverRootCACertificate: Buffer.from(CERTIFICATE) },
    ],
    ['temporalApiKeyFile', '/k/api-key', (config) => config.temporal.tls, {}],
    ['fencing', 'allow-host', (config) => config.fencing, 'allow-host'],
    ['nodeCheck', 'off', (config) => config.nodeCheck, 'off'],
    ['httpAddress', '127.0.0.1:0', (config) => config.httpAddress, { host: '127.0.0.1', port: 0 }],
    ['httpAddress', '[::1]:80', (config) => config.httpAddress, { host: '::1', port: 80 }],
    ['httpAddress', ':80', (config) => config.httpAddress, { host: undefined, port: 80 }],
    ['httpAddress', '', (config) => config.httpAddress, undefined],
    ['httpAddress', 'off', (config) => config.httpAddress, undefined],
    ['logLevel', 'debug', (config) => config.logLevel, 'debug'],
  ])('%s takes %j', (key, text, read, expected) => {
    const { [key]: _replaced, ...others } = NEEDED;
    expect(read(load({ flags: { ...NEEDED, [key]: text } }))).toEqual(expected);
    expect(read(load({ flags: others, env: { [variableOf(key)]: text } }))).toEqual(expected);
    expect(read(load({ flags: others, yaml: `${key}: ${JSON.stringify(text)}\n` }))).toEqual(expected);
  });

  it.each<[keyof typeof CONTROLLER_FIELDS, string, string]>([
    ['endpoint', '/csi/csi.sock', '"/csi/csi.sock" is not unix:///<absolute path>'],
    ['endpoint', 'unix://csi.sock', '"unix://csi.sock" is not unix:///<absolute path>'],
    ['endpoint', 'tcp://1.2.3.4:5', '"tcp://1.2.3.4:5" is not unix:///<absolute path>'],
    ['endpoint', `unix:///${'x'.repeat(107)}`, "the path has 108 bytes, a Unix socket's has at most 107"],
    ['driverName', 'RDS', '"RDS" is no DNS name in small letters of at most 63 characters'],
    ['driverName', 'x'.repeat(64), `"${'x'.repeat(64)}" is no DNS name in small letters of at most 63 characters`],
    ['clusterId', '', 'missing'],
    ['clusterId', 'a b', '"a b" is not 1 to 63 of A-Z a-z 0-9 . _ -'],
    ['volumePaths', '', 'missing'],
    ['volumePaths', '/a,/b/', '"/b/" ends in a slash'],
    ['volumePaths', '/a/../b', '"/a/../b" has a segment ".."'],
    ['rdsAddress', '', 'missing'],
    ['rdsAddress', 'a_b', '"a_b" is neither an IP address nor a DNS host name'],
    ['rdsAddress', '10.0.0.1:22', '"10.0.0.1:22" is neither an IP address nor a DNS host name'],
    ['rdsPort', '0', '"0" is not a port: 1 to 65535'],
    ['rdsPort', '65536', '"65536" is not a port: 1 to 65535'],
    ['rdsPort', '2 2', '"2 2" is not a port: 1 to 65535'],
    ['rdsPort', '0x16', '"0x16" is not a port: 1 to 65535'],
    ['rdsUser', '', 'is empty'],
    ['rdsUser', 'a b', '"a b" has spaces in it, or more than 255 characters'],
    ['rdsMaxExecs', '0', '"0" is not a number of commands: 1 to 64'],
    ['rdsHostKey', 'ssh-ed25519', 'is neither `<type> <base64>` nor `SHA256:<base64>`'],
    ['rdsHostKey', 'SHA256:abc', 'is neither `<type> <base64>` nor `SHA256:<base64>`'],
    ['rdsHostKey', `ssh-rsa ${HOST_KEY.split(' ')[1]}`, 'is damaged: the key in it is not of type ssh-rsa'],
    ['nvmeAddress', 'a b', '"a b" is neither an IP address nor a DNS host name'],
    ['nvmePort', '-1', '"-1" is not a port: 1 to 65535'],
    ['nqnPrefix', 'iqn.x', '"iqn.x" is not nqn.<yyyy-mm>.<reverse domain>[:<name>]'],
    ['temporalAddress', 'a:b:c', '"a:b:c" is not <host>:<port>; an IPv6 address stands in brackets'],
    ['temporalAddress', 'a:70000', 'port 70000 is above 65535'],
    ['temporalAddress', 'a:0', 'the port is 0'],
    ['temporalAddress', ':7233', 'missing'],
    ['temporalNamespace', '', 'is empty'],
    ['temporalTls', 'yes', '"yes" is none of true, false'],
    ['temporalTlsServerName', '', 'missing'],
    ['fencing', 'on', '"on" is none of off, allow-host'],
    ['nodeCheck', 'maybe', '"maybe" is none of kubernetes, task-queue, off'],
    ['reconcileInterval', '5', '"5" is no duration such as 30s, 5m, 24h, 7d: 5s to 1d'],
    ['reconcileInterval', '1s', '"1s" is no duration such as 30s, 5m, 24h, 7d: 5s to 1d'],
    ['reconcileGrace', '0s', '"0s" is no duration such as 30s, 5m, 24h, 7d: 1s to 1d'],
    ['deleteOrphansAfter', '5m', 'is less than orphanAge: nothing is deleted before it was told'],
    ['httpAddress', 'localhost', '"localhost" has no port: <host>:<port>, :<port> or off'],
    ['httpAddress', 'a b:1', '"a b" is neither an IP address nor a DNS host name'],
    ['logLevel', 'trace', '"trace" is none of debug, info, warn, error'],
  ])('%s refuses %j', (key, text, message) => {
    expect(problemsOf(needed({ [key]: text }))).toEqual([`${key} (${flagOf(key)}): ${message}`]);
  });

  it.each(['clusterId', 'volumePaths', 'rdsAddress', 'rdsUser'])('%s is needed', (key) => {
    const { [key]: _absent, ...others } = NEEDED;
    expect(problemsOf({ flags: others })).toEqual([
      `${key}: missing; give it as ${flagOf(key)}, ${variableOf(key)} or ${key} in the YAML file`,
    ]);
  });
});

describe('files', () => {
  it.each<[string, Flags, string]>([
    [
      'is missing',
      { rdsPasswordFile: '/k/none' },
      'rdsPasswordFile (--rds-password-file): /k/none cannot be read: no such file or directory (ENOENT)',
    ],
    ['is empty', { rdsPasswordFile: '/k/empty' }, 'rdsPasswordFile (--rds-password-file): /k/empty is empty'],
    [
      'has two lines',
      { temporalApiKeyFile: '/k/two-lines' },
      'temporalApiKeyFile (--temporal-api-key-file): /k/two-lines has more than one line, or control characters',
    ],
    [
      'is the secret itself',
      { rdsPasswordFile: 'hunter2' },
      'rdsPasswordFile (--rds-password-file): is no path of a file: absolute, or beginning with ./ (what was given is not repeated here)',
    ],
    [
      'is no key',
      { rdsPrivateKeyFile: '/k/password' },
      'rdsPrivateKeyFile (--rds-private-key-file): holds no private key that can be used: of a form that is not known, or not opened by its passphrase',
    ],
    [
      'is a locked key',
      { rdsPrivateKeyFile: '/k/locked' },
      'rdsPrivateKeyFile (--rds-private-key-file): holds no private key that can be used: of a form that is not known, or not opened by its passphrase',
    ],
    [
      'is a public key',
      { rdsPrivateKeyFile: '/k/public' },
      'rdsPrivateKeyFile (--rds-private-key-file): holds a public key, no private one',
    ],
    [
      'is a passphrase without a key',
      { rdsPrivateKeyFile: undefined, rdsPasswordFile: '/k/password', rdsPrivateKeyPassphraseFile: '/k/passphrase' },
      'rdsPrivateKeyPassphraseFile (--rds-private-key-passphrase-file): is given without rdsPrivateKeyFile',
    ],
    [
      'is no certificate',
      { temporalTlsCaFile: '/k/password' },
      'temporalTlsCaFile (--temporal-tls-ca-file): /k/password holds no PEM certificate',
    ],
    [
      'is a certificate without a key',
      { temporalTlsCertFile: '/k/tls.crt' },
      'temporalTlsCertFile (--temporal-tls-cert-file): is given without temporalTlsKeyFile',
    ],
    [
      'is a key without a certificate',
      { temporalTlsKeyFile: '/k/tls.key' },
      'temporalTlsKeyFile (--temporal-tls-key-file): is given without temporalTlsCertFile',
    ],
    [
      'is another key',
      { temporalTlsCertFile: '/k/tls.crt', temporalTlsKeyFile: '/k/other.key' },
      'temporalTlsKeyFile (--temporal-tls-key-file): is not the key of the certificate in temporalTlsCertFile',
    ],
    [
      'is no PEM key',
      { temporalTlsCertFile: '/k/tls.crt', temporalTlsKeyFile: '/k/password' },
      'temporalTlsKeyFile (--temporal-tls-key-file): holds no PEM private key that can be read without a passphrase',
    ],
    [
      'would be sent in clear',
      { temporalTls: 'false', temporalApiKeyFile: '/k/api-key' },
      'temporalApiKeyFile (--temporal-api-key-file): needs TLS, and temporalTls is false',
    ],
  ])('a file that %s is named', (_fact, flags, problem) => {
    expect(problemsOf(needed(flags))).toEqual([problem]);
  });

  it('tells what the reader finds wrong with a file', () => {
    const readFile: ReadFile = (path) => {
      if (path === '/k/password') throw new FileProblem('is a directory');
      return filesOf(FILES)(path);
    };
    const flags = { ...NEEDED, rdsPasswordFile: '/k/password' };
    expect(() => loadControllerConfig({ flags, env: {}, readFile })).toThrow(/: \/k\/password is a directory$/);
  });

  it('warns of a secret that every user may read', () => {
    const readFile = filesOf(FILES, 0o100644);
    expect(loadControllerConfig({ flags: NEEDED, env: {}, readFile }).warnings).toEqual([
      'rdsPrivateKeyFile: /k/id can be read by every user (mode 0644)',
    ]);
  });

  it('gives Temporal certificate and key, and shows no key', () => {
    const { temporal } = load(needed({ temporalTlsCertFile: '/k/tls.crt', temporalTlsKeyFile: '/k/tls.key' }));
    expect(Buffer.from(temporal.tls?.clientCertPair?.key ?? []).toString()).toBe(CERTIFICATE_KEY);
    expect(Buffer.from(temporal.tls?.clientCertPair?.crt ?? []).toString()).toBe(CERTIFICATE);
    const keyBase64 = Buffer.from(CERTIFICATE_KEY).toString('base64');
    for (const shown of [inspect(temporal, { depth: 9 }), JSON.stringify(temporal)]) {
      expect(shown).not.toContain(keyBase64);
      expect(shown).not.toContain(JSON.stringify([...Buffer.from(CERTIFICATE_KEY)]).slice(1, 40));
    }
  });
});

describe('login and host key', () => {
  it('needs a key or a password', () => {
    expect(problemsOf(needed({ rdsPrivateKeyFile: undefined }))).toEqual([
      'rdsPrivateKeyFile: missing, and rdsPasswordFile too: one of the two is needed to log in',
    ]);
    expect(problemsOf(needed({ rdsPrivateKeyFile: undefined, rdsPasswordFile: '/k/password' }))).toEqual([]);
  });

  it('needs a host key, from one place', () => {
    expect(problemsOf(needed({ rdsHostKey: undefined }))).toEqual([
      'rdsHostKey: missing, and rdsKnownHostsFile too: the host key of the RDS must be known',
    ]);
    expect(problemsOf(needed({ rdsKnownHostsFile: '/k/known_hosts' }))).toEqual([
      'rdsHostKey (--rds-host-key): is given beside rdsKnownHostsFile; only one of the two may be',
    ]);
    const { rds } = load(needed({ rdsHostKey: undefined, rdsKnownHostsFile: '/k/known_hosts' }));
    expect(rds.hostKey).toEqual({ kind: 'known-hosts', path: '/k/known_hosts' });
  });
});

describe('precedence', () => {
  const yaml = 'rdsPort: 3\nrdsUser: yaml\n';
  it.each<[string, Given, number]>([
    ['a flag wins over all', { flags: { ...NEEDED, rdsPort: '1' }, env: { RDS_CSI_RDS_PORT: '2' }, yaml }, 1],
    ['the environment wins over the file', { flags: NEEDED, env: { RDS_CSI_RDS_PORT: '2' }, yaml }, 2],
    ['the file wins over the default', { flags: NEEDED, yaml }, 3],
    ['the default is last', { flags: NEEDED, yaml: '' }, 22],
  ])('%s', (_fact, given, port) => {
    const files = { '/etc/config.yaml': given.yaml === '' ? '# nothing\n' : (given.yaml ?? '') };
    const { yaml: _text, ...others } = given;
    const flags = { ...given.flags, config: '/etc/config.yaml' };
    expect(load({ ...others, flags, files }).rds.port).toBe(port);
  });

  it('replaces a list, and does not add to it', () => {
    const given = { flags: { ...NEEDED, volumePaths: ['/x', '/y'] }, env: { RDS_CSI_VOLUME_PATHS: '/z' } };
    expect(load(given).volumePaths).toEqual(['/x', '/y']);
  });

  it('finds the file by the environment', () => {
    const env = { RDS_CSI_CONFIG: '/etc/other.yaml' };
    expect(load({ flags: NEEDED, env, files: { '/etc/other.yaml': 'rdsPort: 2222' } }).rds.port).toBe(2222);
  });
});

describe('the YAML file', () => {
  it('may hold everything', () => {
    const yaml = `# the whole
clusterId: 007
volumePaths:
  - /a
  - /b
rdsAddress: 10.0.0.1
rdsUser: csi
rdsPrivateKeyFile: /k/id
rdsHostKey: ${HOST_KEY}
temporalTls: true
`;
    const config = load({ yaml });
    expect(config.clusterId).toBe('007');
    expect(config.volumePaths).toEqual(['/a', '/b']);
    expect(config.temporal.tls).toEqual({});
  });

  it.each<[string, string, readonly string[]]>([
    ['an unknown key', '\ncolour: red\n', ['"colour" (config.yaml:2): unknown key']],
    ['a key in other letters', 'rds_port: 22', ['"rds_port" (config.yaml:1): unknown key; rdsPort may be meant']],
    [
      'a secret itself',
      'rdsPassword: hunter2',
      ['"rdsPassword" (config.yaml:1): unknown key; secrets are read from files only: rdsPasswordFile'],
    ],
    ['its own name', 'config: /x', ['"config" (config.yaml:1): unknown key']],
    ['a wrong value', '\n\nrdsPort: hunter', ['rdsPort (config.yaml:3): "hunter" is not a port: 1 to 65535']],
    ['a map', 'rdsPort: {a: 1}', ['rdsPort (config.yaml:1): has no value that is a text, a number or a list of texts']],
    ['nothing', 'rdsPort:', ['rdsPort (config.yaml:1): has no value that is a text, a number or a list of texts']],
    ['a list with a map', 'volumePaths: [/a, {b: c}]', ['volumePaths (config.yaml:1): has an item that is no text']],
    ['a list for one', 'rdsPort: [1, 2]', ['rdsPort (config.yaml:1): one value is needed, not 2']],
    [
      'an alias',
      'rdsUser: &a x\nclusterId: *a',
      ['clusterId (config.yaml:2): has no value that is a text, a number or a list of texts'],
    ],
    ['a key twice', 'rdsPort: 1\nrdsPort: 2', ['config.yaml:2: is not YAML: the same key a second time']],
    [
      'an open quote',
      'rdsUser: x\nrdsPort: "hunter2\n',
      ['config.yaml:3: is not YAML: a character is missing, such as a closing quote, a comma or a colon'],
    ],
    ['two documents', 'rdsPort: 1\n---\nrdsPort: 2', ['config.yaml:2: is not YAML: more than one document']],
    ['a list as a whole', '- a\n', ['config.yaml:1: is no map of keys and values']],
  ])('is refused with %s', (_fact, yaml, problems) => {
    const { rdsUser: _file, ...flags } = NEEDED;
    expect(problemsOf({ flags: yaml.includes('rdsUser') ? flags : NEEDED, yaml })).toEqual(problems);
  });

  it.each(['clusterId: {a: 1}', 'clusterId:'])('counts as giving what it gives in a wrong form: %s', (yaml) => {
    const { clusterId: _absent, ...flags } = NEEDED;
    expect(problemsOf({ flags, yaml })).toEqual([
      'clusterId (config.yaml:1): has no value that is a text, a number or a list of texts',
    ]);
  });

  it('is named if it cannot be read, and nothing counts as missing then', () => {
    expect(problemsOf({ flags: { config: '/etc/none.yaml', rdsPort: '22' } })).toEqual([
      'config (--config): /etc/none.yaml cannot be read: no such file or directory (ENOENT)',
    ]);
  });
});

describe('the environment', () => {
  it.each([
    ['RDS_CSI_COLOUR', 'RDS_CSI_COLOUR: unknown variable'],
    ['RDS_CSI_RDSPORT', 'RDS_CSI_RDSPORT: unknown variable; RDS_CSI_RDS_PORT may be meant'],
    [
      'RDS_CSI_RDS_PASSWORD',
      'RDS_CSI_RDS_PASSWORD: unknown variable; secrets are read from files only: RDS_CSI_RDS_PASSWORD_FILE',
    ],
  ])('is refused with %s', (name, problem) => {
    expect(problemsOf({ flags: NEEDED, env: { [name]: 'hunter2' } })).toEqual([problem]);
  });

  it('may hold what Kubernetes puts there for Services', () => {
    const env = {
      RDS_CSI_CONTROLLER_SERVICE_HOST: '10.0.0.1',
      RDS_CSI_CONTROLLER_SERVICE_PORT: '9809',
      RDS_CSI_CONTROLLER_SERVICE_PORT_METRICS: '9809',
      RDS_CSI_CONTROLLER_PORT: 'tcp://10.0.0.1:9809',
      RDS_CSI_CONTROLLER_PORT_9809_TCP: 'tcp://10.0.0.1:9809',
      RDS_CSI_CONTROLLER_PORT_9809_TCP_ADDR: '10.0.0.1',
      RDS_OTHER: 'x',
    };
    expect(problemsOf({ flags: NEEDED, env })).toEqual([]);
    expect(problemsOf({ flags: NEEDED, env: { RDS_CSI_CONTROLLER_PORT: '9809' } })).toHaveLength(1);
  });
});

describe('one message', () => {
  it('names all that is wrong, with where it came from', () => {
    expect(
      problemsOf({
        flags: { volumePaths: 'pool', rdsPort: 'x', rdsPasswordFile: '/k/none' },
        env: { RDS_CSI_NVME_PORT: '0', RDS_CSI_COLOUR: 'red' },
        yaml: 'logLevel: loud\nclusterId: ""\nsize: 1\n',
      }),
    ).toEqual([
      'clusterId (config.yaml:2): missing',
      'volumePaths (--volume-paths): "pool" does not begin with a slash',
      'rdsAddress: missing; give it as --rds-address, RDS_CSI_RDS_ADDRESS or rdsAddress in the YAML file',
      'rdsPort (--rds-port): "x" is not a port: 1 to 65535',
      'rdsUser: missing; give it as --rds-user, RDS_CSI_RDS_USER or rdsUser in the YAML file',
      'rdsPasswordFile (--rds-password-file): /k/none cannot be read: no such file or directory (ENOENT)',
      'nvmePort (RDS_CSI_NVME_PORT): "0" is not a port: 1 to 65535',
      'logLevel (config.yaml:1): "loud" is none of debug, info, warn, error',
      'RDS_CSI_COLOUR: unknown variable',
      '"size" (config.yaml:3): unknown key',
      'rdsHostKey: missing, and rdsKnownHostsFile too: the host key of the RDS must be known',
    ]);
  });

  it.each(['rdsAddress', 'nvmeAddress', 'temporalAddress'])('does not repeat a URL given as %s', (key) => {
    const [problem, ...others] = problemsOf(needed({ [key]: 'ssh://admin:hunter2@rds' }));
    expect(problem).toContain('is a URL or has a user in it');
    expect(problem).not.toContain('hunter2');
    expect(others).toEqual([]);
  });
});

describe('Kubernetes', () => {
  const token = { '/var/run/secrets/kubernetes.io/serviceaccount/token': 'eyJ' };
  const inPod = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' };
  const kubeconfig = (...files: readonly string[]) => ({ kind: 'kubeconfig', files });
  const inCluster = { kind: 'in-cluster' };

  it.each<[string, Given, unknown]>([
    ['nothing', {}, undefined],
    ['a Pod', { env: inPod, files: token }, inCluster],
    ['a Pod without a ServiceAccount', { env: inPod }, undefined],
    ['KUBECONFIG', { env: { KUBECONFIG: '/k/kubeconfig' } }, kubeconfig('/k/kubeconfig')],
    ['an empty KUBECONFIG', { env: { KUBECONFIG: '' } }, undefined],
    [
      'a KUBECONFIG of several',
      { env: { KUBECONFIG: '/k/kubeconfig::/k/kubeconfig-more' } },
      kubeconfig('/k/kubeconfig', '/k/kubeconfig-more'),
    ],
    [
      'KUBECONFIG in a Pod',
      { env: { ...inPod, KUBECONFIG: '/k/kubeconfig' }, files: token },
      kubeconfig('/k/kubeconfig'),
    ],
    [
      'kubeconfig beside KUBECONFIG',
      { flags: { kubeconfig: '/k/kubeconfig' }, env: { KUBECONFIG: '/k/none' } },
      kubeconfig('/k/kubeconfig'),
    ],
    ['off, in a Pod', { flags: { kubernetes: 'off' }, env: inPod, files: token }, undefined],
    ['off, with KUBECONFIG', { flags: { kubernetes: 'off' }, env: { KUBECONFIG: '/k/none' } }, undefined],
    ['on, in a Pod', { flags: { kubernetes: 'on' }, env: inPod, files: token }, inCluster],
  ])('is reached so: %s', (_fact, { flags, ...given }, access) => {
    const { kubernetes, nodeCheck } = load({ ...given, flags: { ...NEEDED, ...flags } });
    expect(kubernetes).toEqual(access === undefined ? undefined : { access, pod: undefined });
    expect(nodeCheck).toBe(access === undefined ? 'task-queue' : 'kubernetes');
  });

  it.each(['task-queue', 'off'])('is not asked for nodes where nodeCheck is %s', (nodeCheck) => {
    expect(load(needed({ kubeconfig: '/k/kubeconfig', nodeCheck }))).toMatchObject({
      kubernetes: { access: kubeconfig('/k/kubeconfig') },
      nodeCheck,
    });
  });

  it('knows our Pod', () => {
    const flags = { kubeconfig: '/k/kubeconfig', podNamespace: 'rds-csi', podName: 'controller-7d9f.x' };
    expect(load(needed(flags)).kubernetes?.pod).toEqual({ namespace: 'rds-csi', name: 'controller-7d9f.x' });
  });

  it.each<[string, Flags, Environment, string]>([
    [
      'on without a cluster',
      { kubernetes: 'on' },
      {},
      'kubernetes (--kubernetes): is on, but there is no kubeconfig, no KUBECONFIG, and this is no Pod with a ServiceAccount',
    ],
    [
      'off with a kubeconfig',
      { kubernetes: 'off', kubeconfig: '/k/kubeconfig' },
      {},
      'kubeconfig (--kubeconfig): is given, and kubernetes is off',
    ],
    [
      'nodes asked of a Kubernetes that is not',
      { nodeCheck: 'kubernetes' },
      {},
      'nodeCheck (--node-check): is kubernetes, and Kubernetes is not asked (kubernetes)',
    ],
    ['half a Pod', { podName: 'a' }, {}, 'podName (--pod-name): is given without podNamespace'],
    ['the other half', { podNamespace: 'a' }, {}, 'podNamespace (--pod-namespace): is given without podName'],
    [
      'a namespace that is none',
      { podName: 'a', podNamespace: 'a.b' },
      {},
      'podNamespace (--pod-namespace): "a.b" is no Kubernetes name (DNS-1123)',
    ],
    [
      'a file that is not there',
      { kubernetes: 'on', kubeconfig: '/k/none' },
      {},
      'kubeconfig (--kubeconfig): /k/none cannot be read: no such file or directory (ENOENT)',
    ],
    [
      'a file without contexts',
      { kubeconfig: '/k/kubeconfig-bare' },
      {},
      'kubeconfig (--kubeconfig): /k/kubeconfig-bare is no kubeconfig with a current context',
    ],
    [
      'a file that is no YAML',
      { kubeconfig: '/k/kubeconfig-broken' },
      {},
      'kubeconfig (--kubeconfig): /k/kubeconfig-broken is no kubeconfig with a current context',
    ],
    [
      'a KUBECONFIG of which one is not there',
      {},
      { KUBECONFIG: '/k/kubeconfig:/k/none' },
      'kubeconfig: the variable KUBECONFIG: /k/none cannot be read: no such file or directory (ENOENT)',
    ],
  ])('refuses %s', (_fact, flags, env, problem) => {
    expect(problemsOf({ ...needed(flags), env })).toEqual([problem]);
  });
});
