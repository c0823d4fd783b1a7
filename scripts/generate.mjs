/**
 * Generates src/csi/generated from the CSI specification's csi.proto, as published in its Go module.
 *
 *   node scripts/generate.mjs           writes src/csi/generated
 *   node scripts/generate.mjs --check   generates into a temporary folder; exit 1 where the committed code differs
 *
 * Needs Go (for its module client alone). Whoever only uses or changes the driver needs neither: the result is committed.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const SPEC = {
  module: 'github.com/container-storage-interface/spec',
  version: 'v1.12.0',
  // What go.sum would hold: the module is refused if it is not this very one.
  sum: 'h1:zrFOEqpR5AghNaaDG4qyedwPBqU2fU0dWjLQMP/azK0=',
};
/** Options of ts-proto; comments=false keeps the specification's prose out of the repository. */
const TS_PROTO_OPTIONS = [
  'outputServices=grpc-js',
  'forceLong=bigint',
  'oneof=unions-value',
  'useReadonlyTypes=true',
  'comments=false',
  'esModuleInterop=true',
  // gRPC alone is spoken: nothing reads or writes these messages as JSON.
  'outputJsonMethods=false',
  'useExactTypes=false',
];
/** What is served and called; messages that only other services use are left out. */
const SERVICES = ['csi.v1.Identity', 'csi.v1.Controller', 'csi.v1.Node'].flatMap((name) => ['--type', name]);

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const target = path.join(root, 'src', 'csi', 'generated');
const binary = (name) => path.join(root, 'node_modules', '.bin', name);

/** The folder of the specification in Go's module cache, fetched if it is not there. */
function fetchSpec(workFolder) {
  // A folder without go.mod: the project's surroundings must not decide the version.
  const output = execFileSync('go', ['mod', 'download', '-json', `${SPEC.module}@${SPEC.version}`], {
    cwd: workFolder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const download = JSON.parse(output);
  if (download.Sum !== SPEC.sum)
    throw new Error(`${SPEC.module} ${SPEC.version} has sum ${download.Sum}, not ${SPEC.sum}`);
  return download.Dir;
}

function generate(workFolder) {
  const protoFolder = path.join(workFolder, 'proto');
  const output = path.join(workFolder, 'output');
  mkdirSync(protoFolder);
  mkdirSync(output);
  // Written anew rather than copied: files in Go's module cache are read-only.
  writeFileSync(path.join(protoFolder, 'csi.proto'), readFileSync(path.join(fetchSpec(workFolder), 'csi.proto')));
  writeFileSync(path.join(workFolder, 'buf.yaml'), 'version: v2\nmodules:\n  - path: proto\n');
  const template = {
    version: 'v2',
    plugins: [
      {
        local: [binary('protoc-gen-ts_proto')],
        out: 'output',
        opt: TS_PROTO_OPTIONS,
        include_imports: true,
        include_wkt: true,
      },
    ],
  };
  const buf = (...args) =>
    execFileSync(binary('buf'), args, { cwd: workFolder, stdio: ['ignore', 'inherit', 'inherit'] });
  buf('generate', '--template', JSON.stringify(template), ...SERVICES);
  buf(
    'build',
    '--exclude-source-info',
    '--as-file-descriptor-set',
    ...SERVICES,
    '-o',
    path.join('output', 'csi.binpb'),
  );
  // Types of csi.proto's own options: nothing of ours speaks them.
  rmSync(path.join(output, 'google', 'protobuf', 'descriptor.ts'), { force: true });
  for (const name of filesOf(output).filter((file) => file.endsWith('.ts'))) {
    const file = path.join(output, name);
    writeFileSync(file, `${header(name)}\n${withTypes(readFileSync(file, 'utf8'), name)}`);
  }
  writeFileSync(path.join(output, 'README.md'), readme());
  return output;
}

/** What stands for `any` in ts-proto's code. */
const TYPES = `
/** A message while it is made: its fields may be set, and its lists added to. */
type Unfinished<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer Item)[] ? Item[] : T[K] };

/** A reader that counts how deep the messages in each other are. */
type CountingReader = BinaryReader & { __tsProtoDecodeDepth?: number };
`;

/** ts-proto writes `any` where its own messages are made, and tells linters to look away: neither stays. Throws if some `any` would. */
function withTypes(text, name) {
  const typed = text
    .replace(/^\/\* eslint-disable \*\/\n/m, '')
    .replace(/\(reader as any\)\./g, '(reader as CountingReader).')
    .replace(/createBase(\w+)\(\) as any/g, 'createBase$1() as Unfinished<$1>')
    .replace(/key: key as any,/g, 'key,')
    .replace(/(reader\.\w+\(\)) as any/g, '$1');
  if (/\bany\b/.test(typed)) throw new Error(`${name}: ts-proto writes an any that is not known here`);
  return `${typed}${TYPES}`;
}

function header(name) {
  const origin =
    name === 'csi.ts'
      ? `${SPEC.module} ${SPEC.version} (csi.proto), Apache-2.0`
      : 'Protocol Buffers well-known types, BSD-3-Clause';
  return `// Generated by scripts/generate.mjs from ${origin}. Do not edit.`;
}

function readme() {
  return `# Generated code

Made by \`npm run generate\`, checked by \`npm run generate:check\`; never edited by hand.

| File | From | Licence |
|---|---|---|
| \`csi.ts\` | \`csi.proto\` of the Go module ${SPEC.module} ${SPEC.version}, by buf and ts-proto | Apache-2.0 |
| \`csi.binpb\` | the same, as a descriptor set with its imports, without source info | Apache-2.0, BSD-3-Clause |
| \`google/protobuf/*.ts\` | the well-known types of Protocol Buffers, which csi.proto imports | BSD-3-Clause |

Options of ts-proto: \`${TS_PROTO_OPTIONS.join(', ')}\`. 64-bit integers are bigint; oneofs are \`{ $case, value }\` unions.
`;
}

/** Files below a folder, relative to it, in order. */
function filesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .sort();
}

function differences(expected, actual) {
  const names = [...new Set([...filesOf(expected), ...filesOf(actual)])].sort();
  const read = (folder, name) => {
    try {
      return readFileSync(path.join(folder, name));
    } catch {
      return undefined;
    }
  };
  return names.filter((name) => {
    const [left, right] = [read(expected, name), read(actual, name)];
    return !left || !right || !left.equals(right);
  });
}

const workFolder = mkdtempSync(path.join(tmpdir(), 'rds-csi-generate-'));
try {
  const output = generate(workFolder);
  if (process.argv.includes('--check')) {
    mkdirSync(target, { recursive: true });
    const wrong = differences(output, target);
    for (const name of wrong) console.error(`src/csi/generated/${name} is not what npm run generate makes`);
    if (wrong.length > 0) process.exitCode = 1;
    else console.log('src/csi/generated is what npm run generate makes');
  } else {
    rmSync(target, { recursive: true, force: true });
    cpSync(output, target, { recursive: true });
    console.log(`src/csi/generated: ${filesOf(target).join(', ')}`);
  }
} finally {
  rmSync(workFolder, { recursive: true, force: true });
}
