import { Fault } from './fault';
import type { FileSystem } from './file-system';
import { formatUntrusted } from './text';

/**
 * The options that a StorageClass may give to mkfs: a closed list for each file system, after mke2fs(8), mkfs.xfs(8) and
 * mkfs.btrfs(8). Not in it is what names other devices or files, writes over what is there, leaves the volume without a file
 * system that can be mounted and grown, or gives each volume the same UUID.
 */

const SIZE = '[0-9]{1,15}[bskKmMgGtT]?';
/** Linux mounts no larger blocks than its pages have: 4 KiB on most machines, and a volume moves between them. */
const BLOCK_SIZE = '512|1024|2048|4096|[124][kK]';
const PAGE_SIZE = '4096|4[kK]';
const BIT = '[01]';
const WORDS = '\\^?[a-z0-9_]+(?:[:,]\\^?[a-z0-9_]+)*';
const LABEL = '[A-Za-z0-9_.-]{1,16}';

/** What follows an option: nothing, a value, or `name=value` pairs with commas between. */
type Rule =
  | { readonly kind: 'alone' }
  | { readonly kind: 'value'; readonly pattern: RegExp }
  | { readonly kind: 'pairs'; readonly pairs: Readonly<Record<string, RegExp>> };

interface Grammar {
  readonly allowed: Readonly<Record<string, Rule>>;
  /** Why what people know of is not taken. */
  readonly refused: Readonly<Record<string, string>>;
}

const alone: Rule = { kind: 'alone' };
const value = (pattern: string): Rule => ({ kind: 'value', pattern: whole(pattern) });
const pairs = (patterns: Readonly<Record<string, string>>): Rule => ({
  kind: 'pairs',
  pairs: Object.fromEntries(Object.entries(patterns).map(([name, pattern]) => [name, whole(pattern)])),
});

const OTHER_DEVICE = 'names another device';
const OTHER_FILE = 'names a file of the node';
const NOT_MADE = 'makes no file system of its own';
const OVERWRITES = 'writes over what is there';
const SAME_UUID = 'gives every volume the same UUID';

const EXT: Grammar = {
  allowed: {
    '-b': value(BLOCK_SIZE),
    '-C': value(SIZE),
    '-e': value('continue|remount-ro'),
    '-E': pairs({
      stride: SIZE,
      'stripe-width': SIZE,
      stripe_width: SIZE,
      resize: SIZE,
      lazy_itable_init: BIT,
      lazy_journal_init: BIT,
      packed_meta_blocks: BIT,
      num_backup_sb: '[0-2]',
      discard: '',
      nodiscard: '',
      root_owner: '(?:[0-9]+:[0-9]+)?',
      root_perms: '[0-7]{3,4}',
      hash_seed: '[0-9a-f-]{36}',
      quotatype: 'usrquota|grpquota|prjquota(?::(?:usrquota|grpquota|prjquota))*',
      assume_storage_prezeroed: BIT,
      encoding: '[a-z0-9.-]+',
      encoding_flags: '(?:no)?strict',
      orphan_file_size: SIZE,
    }),
    '-g': value(SIZE),
    '-G': value(SIZE),
    '-i': value(SIZE),
    '-I': value(SIZE),
    '-j': alone,
    '-J': pairs({ size: SIZE, fast_commit_size: SIZE, location: SIZE }),
    '-K': alone,
    '-L': value(LABEL),
    '-m': value('[0-9]{1,2}(?:\\.[0-9]{1,4})?'),
    '-N': value(SIZE),
    '-O': value(`(?!.*(?:journal_dev|\\^extents?\\b))${WORDS}`),
    '-q': alone,
    '-T': value('[a-z0-9]+(?:,[a-z0-9]+)*'),
    '-v': alone,
  },
  refused: {
    '-J device': OTHER_DEVICE,
    '-E offset': NOT_MADE,
    '-O journal_dev': NOT_MADE,
    '-O ^extent': 'makes what the kernel takes for ext3',
    '-O ^extents': 'makes what the kernel takes for ext3',
    '-d': OTHER_FILE,
    '-l': OTHER_FILE,
    '-z': OTHER_FILE,
    '-c': 'reads all of the volume first',
    '-F': OVERWRITES,
    '-n': NOT_MADE,
    '-S': OVERWRITES,
    '-t': 'makes another file system',
    '-U': SAME_UUID,
  },
};

const XFS: Grammar = {
  allowed: {
    '-b': pairs({ size: BLOCK_SIZE }),
    '-d': pairs({
      agcount: SIZE,
      agsize: SIZE,
      sunit: SIZE,
      swidth: SIZE,
      su: SIZE,
      sw: SIZE,
      noalign: '',
      cowextsize: SIZE,
      extszinherit: SIZE,
      projinherit: SIZE,
      daxinherit: BIT,
      concurrency: SIZE,
    }),
    '-i': pairs({
      size: SIZE,
      perblock: SIZE,
      maxpct: SIZE,
      align: BIT,
      attr: '[12]',
      projid32bit: BIT,
      sparse: BIT,
      nrext64: BIT,
      exchange: BIT,
    }),
    '-K': alone,
    '-l': pairs({
      internal: '1?',
      agnum: SIZE,
      size: SIZE,
      version: '[12]',
      sunit: SIZE,
      su: SIZE,
      'lazy-count': BIT,
      concurrency: SIZE,
    }),
    '-L': value('[A-Za-z0-9_.-]{1,12}'),
    '-m': pairs({ bigtime: BIT, crc: BIT, finobt: BIT, inobtcount: BIT, reflink: BIT, rmapbt: BIT, autofsck: BIT }),
    '-n': pairs({ size: SIZE, version: '2|ci', ftype: BIT, parent: BIT }),
    '-q': alone,
    '-s': pairs({ size: SIZE }),
  },
  refused: {
    '-l logdev': OTHER_DEVICE,
    '-l name': OTHER_FILE,
    '-l file': OTHER_FILE,
    '-d name': OTHER_FILE,
    '-d file': OTHER_FILE,
    '-d size': 'leaves a part of the volume unused',
    '-m uuid': SAME_UUID,
    '-r': OTHER_DEVICE,
    '-c': OTHER_FILE,
    '-p': OTHER_FILE,
    '-f': OVERWRITES,
    '-N': NOT_MADE,
  },
};

const PROFILE = value('single|dup|SINGLE|DUP');
const BTRFS: Grammar = {
  allowed: {
    '--csum': value('crc32c|xxhash|sha256|blake2'),
    '--checksum': value('crc32c|xxhash|sha256|blake2'),
    '-d': PROFILE,
    '--data': PROFILE,
    '-K': alone,
    '--nodiscard': alone,
    '-L': value(LABEL),
    '--label': value(LABEL),
    '-m': PROFILE,
    '--metadata': PROFILE,
    '-M': alone,
    '--mixed': alone,
    '-n': value(SIZE),
    '--nodesize': value(SIZE),
    '-O': value('\\^?[a-z0-9-]+(?:,\\^?[a-z0-9-]+)*'),
    '--features': value('\\^?[a-z0-9-]+(?:,\\^?[a-z0-9-]+)*'),
    '-R': value('\\^?[a-z0-9-]+(?:,\\^?[a-z0-9-]+)*'),
    '--runtime-features': value('\\^?[a-z0-9-]+(?:,\\^?[a-z0-9-]+)*'),
    '-q': alone,
    '--quiet': alone,
    '-s': value(PAGE_SIZE),
    '--sectorsize': value(PAGE_SIZE),
    '-v': alone,
    '--verbose': alone,
  },
  refused: {
    '-b': 'leaves a part of the volume unused',
    '--byte-count': 'leaves a part of the volume unused',
    '-f': OVERWRITES,
    '--force': OVERWRITES,
    '-r': OTHER_FILE,
    '--rootdir': OTHER_FILE,
    '-U': SAME_UUID,
    '--uuid': SAME_UUID,
    '--device-uuid': SAME_UUID,
  },
};

const GRAMMARS: { readonly [Name in FileSystem]: Grammar } = { ext3: EXT, ext4: EXT, xfs: XFS, btrfs: BTRFS };

/**
 * The arguments for mkfs, each option and each value one of its own: `-m0 -E nodiscard` → `-m`, `0`, `-E`, `nodiscard`.
 * Throws InvalidArgument naming what is refused, and why.
 */
export function parseMkfsOptions(text: string, fileSystem: FileSystem, field: string): readonly string[] {
  const tokens = text.split(/[ \t]+/).filter((token) => token !== '');
  const refuse = (what: string, why: string) =>
    new Fault('InvalidArgument', `${field}: ${formatUntrusted(what)} ${why}`);
  const grammar = GRAMMARS[fileSystem];
  const result: string[] = [];
  while (tokens.length > 0) {
    const token = tokens.shift() ?? '';
    const { option, attached } = splitOption(token);
    const rule = findOwn(grammar.allowed, option);
    if (!rule) {
      const reason = findOwn(grammar.refused, option);
      throw refuse(token, reason ?? `is no option that a volume may be made with (mkfs.${fileSystem})`);
    }
    result.push(option);
    if (rule.kind === 'alone') {
      if (attached !== undefined) throw refuse(token, 'takes no value');
      continue;
    }
    const given = attached ?? tokens.shift();
    if (given === undefined) throw refuse(option, 'has no value');
    const wrong = findWrong({ grammar, option, rule, given });
    if (wrong) throw refuse(`${option} ${wrong.part}`, wrong.why);
    result.push(given);
  }
  return result;
}

/** `-m0` is `-m` with `0`; `--label=a` is `--label` with `a`. */
function splitOption(token: string): { readonly option: string; readonly attached: string | undefined } {
  if (token.startsWith('--')) {
    const equals = token.indexOf('=');
    return equals < 0
      ? { option: token, attached: undefined }
      : { option: token.slice(0, equals), attached: token.slice(equals + 1) };
  }
  const isShort = token.startsWith('-') && token.length > 2;
  return isShort ? { option: token.slice(0, 2), attached: token.slice(2) } : { option: token, attached: undefined };
}

/** The part of a value that is not taken, and why; undefined if all of it is. */
function findWrong({
  grammar,
  option,
  rule,
  given,
}: {
  readonly grammar: Grammar;
  readonly option: string;
  readonly rule: Exclude<Rule, { readonly kind: 'alone' }>;
  readonly given: string;
}): { readonly part: string; readonly why: string } | undefined {
  const why = (name: string) => findOwn(grammar.refused, `${option} ${name}`);
  if (rule.kind === 'value') {
    if (rule.pattern.test(given)) return undefined;
    const named = given.split(',').find((part) => why(part) !== undefined);
    return { part: given, why: (named === undefined ? undefined : why(named)) ?? 'has a value that is not taken' };
  }
  for (const part of given.split(',')) {
    const [name = '', ...rest] = part.split('=');
    const pattern = findOwn(rule.pairs, name);
    if (!pattern) return { part, why: why(name) ?? 'is no option that a volume may be made with' };
    if (!pattern.test(rest.join('='))) return { part, why: 'has a value that is not taken' };
  }
  return undefined;
}

function findOwn<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

function whole(pattern: string): RegExp {
  return new RegExp(`^(?:${pattern})$`);
}
