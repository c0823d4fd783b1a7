import path from 'node:path';
import { REQUIRED_SEARCH_ATTRIBUTES } from './search-attributes';

export interface StartDevOptions {
  readonly ip: string;
  readonly port: number;
  readonly uiPort: number;
  readonly namespace: string;
  /** SQLite file; undefined: in memory. */
  readonly dbFilename: string | undefined;
}

/** Server settings that its defaults do not suit us in; README.md says of each why. */
const DYNAMIC_CONFIG = [
  'history.transferProcessorMaxPollRPS=2000',
  'history.timerProcessorMaxPollRPS=2000',
  'system.enableEagerWorkflowStart=true',
];
const PRAGMAS = ['journal_mode=wal', 'synchronous=normal'];

/** Arguments of the Temporal CLI for the embedded server. */
export function startDevArgs({ ip, port, uiPort, namespace, dbFilename }: StartDevOptions): readonly string[] {
  const args = [
    'server',
    'start-dev',
    '--namespace',
    namespace,
    '--ip',
    ip,
    '--port',
    String(port),
    '--ui-port',
    String(uiPort),
  ];
  for (const setting of DYNAMIC_CONFIG) args.push('--dynamic-config-value', setting);
  for (const name of REQUIRED_SEARCH_ATTRIBUTES) args.push('--search-attribute', `${name}=Keyword`);
  if (dbFilename) args.push('--db-filename', path.resolve(dbFilename));
  for (const pragma of dbFilename ? PRAGMAS : []) args.push('--sqlite-pragma', pragma);
  return args;
}
