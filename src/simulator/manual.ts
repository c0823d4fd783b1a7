/**
 * What RouterOS knows: commands, arguments, read-only properties and flags of the menus that are simulated. Names only, from
 * MikroTik's manual, CLI reference, October 2026 (https://manual.mikrotik.com/docs/cli-reference/disk and below); `comment`
 * and `disabled` from its published API tables; /system and /log from its pages on those menus. Whatever is not in here is
 * refused in RouterOS's words.
 */

/** How a property is read from a script and shown: `size` is grouped in threes, `rounded` is shown as 50.0GiB. */
export type PropertyKind = 'string' | 'word' | 'bool' | 'number' | 'size' | 'rounded' | 'time';

export interface MenuManual {
  readonly commands: readonly string[];
  /** What `add` and `set` take. */
  readonly arguments: Readonly<Record<string, PropertyKind>>;
  readonly readOnly: Readonly<Record<string, PropertyKind>>;
  /** Letter and name, in the order in which RouterOS shows them. */
  readonly flags: readonly (readonly [string, string])[];
  /** Arguments with a closed list of values. */
  readonly values: Readonly<Record<string, readonly string[]>>;
  /** What `add` cannot do without. */
  readonly mandatory: readonly string[];
  /** A menu of one item (`/system/identity`) has no numbers. */
  readonly single: boolean;
}

const of = (kind: PropertyKind, names: string): Record<string, PropertyKind> =>
  Object.fromEntries(names.split(' ').map((name) => [name, kind]));

const YES_NO = ['yes', 'no'];
const list = (names: string): readonly string[] => names.split(' ');

const DISK: MenuManual = {
  commands: list('add set unset remove print find get enable disable format monitor-traffic nvme-discover'),
  arguments: {
    ...of('word', 'type raid-type raid-max-component-size raid-chunk-size raid-master media-interface file-path'),
    ...of('word', 'nvme-tcp-address iscsi-address nfs-address smb-address raid-role crypted-backend'),
    ...of('string', 'slot parent mount-point-template nvme-tcp-server-nqn nvme-tcp-server-allow-host-name'),
    ...of(
      'string',
      'nvme-tcp-server-password nvme-tcp-nqn nvme-tcp-host-name nvme-tcp-password iscsi-server-iqn iscsi-iqn',
    ),
    ...of('string', 'nfs-share smb-server-user smb-server-password smb-share smb-user smb-password encryption-key'),
    ...of('string', 'self-encryption-password sshfs-address sshfs-user sshfs-password sshfs-path comment'),
    ...of(
      'bool',
      'mount-filesystem mount-read-only compress raid-member-failed nvme-tcp-export iscsi-export nfs-sharing',
    ),
    ...of('bool', 'smb-sharing smb-server-encryption smb-encryption media-sharing swap disabled'),
    ...of(
      'number',
      'partition-number raid-device-count nvme-tcp-server-port nvme-tcp-port iscsi-server-port iscsi-port',
    ),
    ...of('number', 'sshfs-port file-offset'),
    ...of('size', 'partition-offset partition-size tmpfs-max-size ramdisk-size'),
    ...of('rounded', 'file-size'),
  },
  readOnly: {
    ...of(
      'string',
      'slot-default fs-label fs-uuid model serial fw-version mount-point interface raid-member-state state',
    ),
    ...of('string', 'last-seen raid-uuid nvme-tcp-server-secret nvme-tcp-secret'),
    ...of('word', 'fs use interface-speed'),
    ...of('size', 'size free total-inodes free-inodes'),
    ...of('number', 'sector-size'),
  },
  flags: [
    ['X', 'disabled'],
    ['A', 'acquired'],
    ['E', 'empty'],
    ['B', 'block-device'],
    ['M', 'mounted'],
    ['F', 'formatting'],
    ['S', 'swap-enabled'],
    ['f', 'raid-member-failed'],
    ['r', 'raid-member'],
    ['c', 'encrypted'],
    ['g', 'guid-partition-table'],
    ['p', 'partition'],
    ['t', 'nvme-tcp-export'],
    ['i', 'iscsi-export'],
    ['s', 'smb-sharing'],
    ['n', 'nfs-sharing'],
    ['m', 'media-sharing'],
  ],
  values: { type: list('raid nvme-tcp iscsi nfs smb partition tmpfs ramdisk crypted sshfs file hardware') },
  mandatory: ['type'],
  single: false,
};

const SUBVOLUME: MenuManual = {
  commands: list('add set remove print find get'),
  arguments: { ...of('word', 'fs parent'), ...of('string', 'name mountpoint'), ...of('bool', 'read-only mount') },
  readOnly: {
    ...of('word', 'top-level'),
    ...of('string', 'fullname uuid received-uuid creation-time send-time recv-time snapshots path'),
    ...of('number', 'subvolume-id generation send-trans-id recv-trans-id'),
    ...of('bool', 'dead snapshot'),
  },
  flags: [
    ['*', 'default'],
    ['S', 'snapshot'],
    ['r', 'read-only'],
    ['D', 'dead'],
    ['M', 'mounted'],
  ],
  values: {},
  mandatory: ['fs'],
  single: false,
};

const NONE = { flags: [], values: {}, mandatory: [], single: false } as const;
const one = (
  commands: string,
  args: Record<string, PropertyKind>,
  readOnly: Record<string, PropertyKind>,
): MenuManual => ({
  ...NONE,
  commands: list(commands),
  arguments: args,
  readOnly,
  single: true,
});

/** Every simulated menu by its path. */
export const MANUAL: Readonly<Record<string, MenuManual>> = {
  '/disk': DISK,
  '/disk/btrfs/subvolume': SUBVOLUME,
  '/disk/btrfs/filesystem': {
    ...NONE,
    commands: list('set print find get'),
    arguments: { ...of('word', 'default-subvolume'), ...of('string', 'label') },
    readOnly: of('string', 'devs uuid'),
  },
  '/file': {
    ...NONE,
    commands: list('add set remove print find get read'),
    arguments: { ...of('word', 'name type'), ...of('string', 'contents') },
    readOnly: { ...of('rounded', 'size'), ...of('word', 'creation-time last-modified') },
    values: { type: ['file', 'directory'] },
    mandatory: ['name'],
  },
  '/log': {
    ...NONE,
    commands: list('print find get debug info warning error'),
    arguments: {},
    readOnly: of('word', 'time topics message'),
  },
  '/system/identity': one('print get set', of('word', 'name'), {}),
  '/system/resource': one(
    'print get',
    {},
    {
      ...of('word', 'uptime version build-time board-name platform architecture-name cpu cpu-load'),
      ...of('number', 'cpu-count cpu-frequency'),
      ...of('rounded', 'free-memory total-memory free-hdd-space total-hdd-space'),
    },
  ),
};

/** Path elements that lead to a menu without being one: `/system`, `/disk/btrfs`. */
export function isFolder(path: string): boolean {
  return path === '' || Object.keys(MANUAL).some((menu) => menu.startsWith(`${path}/`));
}

/** The kind of a property that may be read, with `.id` and flags; undefined if the manual does not know it. */
export function findProperty(menu: MenuManual, name: string): PropertyKind | undefined {
  if (name === '.id') return 'word';
  return (
    (Object.hasOwn(menu.arguments, name) ? menu.arguments[name] : undefined) ??
    (Object.hasOwn(menu.readOnly, name) ? menu.readOnly[name] : undefined) ??
    (menu.flags.some(([, flag]) => flag === name) ? 'bool' : undefined)
  );
}

/** Parameters that a command takes by name, beside what the menu's items hold. */
export const COMMAND_PARAMETERS: Readonly<Record<string, readonly string[]>> = {
  add: [],
  set: ['numbers'],
  unset: ['numbers', 'value-name'],
  remove: ['numbers'],
  enable: ['numbers'],
  disable: ['numbers'],
  get: ['number', 'value-name'],
  find: [],
  print: ['proplist', 'from'],
  format: ['numbers'],
  read: [],
  debug: ['message'],
  info: ['message'],
  warning: ['message'],
  error: ['message'],
};

/** Words that `print` takes without a value. */
export const PRINT_WORDS: readonly string[] = list('detail brief terse as-value count-only without-paging where');

/** Values of a yes/no argument. */
export const BOOLEAN_WORDS: readonly string[] = [...YES_NO, 'true', 'false'];
