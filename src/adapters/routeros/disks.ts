import { isAttached, judgeDetach } from '../../domain/attachment';
import { isExportedAs } from '../../domain/export';
import { Fault, type FaultKind } from '../../domain/fault';
import type { Logger } from '../../domain/log';
import { formatRecord } from '../../domain/record';
import {
  parseChangedAnswer,
  parseCreatedAnswer,
  parseGrownAnswer,
  parseListAnswer,
  parsePoolAnswer,
  parseRemovedAnswer,
  parseVolumeAnswer,
  type SeenVolume,
} from '../../domain/routeros/answer';
import type { ScriptOutput } from '../../domain/routeros/json-line';
import {
  attachScript,
  createScript,
  detachScript,
  findScript,
  listScript,
  poolScript,
  removeScript,
  resizeScript,
  surveyScript,
  writeRecordScript,
} from '../../domain/routeros/script';
import { parseSurveyAnswer } from '../../domain/routeros/survey-answer';
import type { Volume } from '../../domain/volume';
import type { VolumeId } from '../../domain/volume-id';
import { poolNameOf, type VolumePath } from '../../domain/volume-path';
import type { DisksPort } from './port';
import type { SshSession } from './ssh-session';

/** What was done on the RDS: one script. For metrics. */
export interface DisksEvent {
  readonly operation: keyof DisksPort;
  readonly outcome: 'ok' | FaultKind;
  readonly seconds: number;
}

interface DisksOptions {
  readonly session: Pick<SshSession, 'exec'>;
  /** Where this driver's backing files may lie: the configured volume paths. */
  readonly roots: readonly VolumePath[];
  readonly logger: Logger;
  /** The cancellation of whoever asks just now; undefined: nobody's. Read at the start of each operation. */
  readonly currentSignal?: () => AbortSignal | undefined;
  readonly onEvent?: (event: DisksEvent) => void;
}

interface Operation<T> {
  readonly operation: keyof DisksPort;
  readonly effect: 'read' | 'change';
  readonly volumeId?: VolumeId;
  readonly script: string;
  readonly parse: (output: ScriptOutput) => T;
}

type Run = <T>(operation: Operation<T>) => Promise<T>;
type Roots = readonly VolumePath[];

/** The volumes of the RDS behind a session. Throws InvalidArgument without a root. */
export function createDisks(options: DisksOptions): DisksPort {
  const { roots } = options;
  if (roots.length === 0) throw new Fault('InvalidArgument', 'volume paths: missing');
  const run: Run = (operation) => runOperation(options, operation);
  return { ...createReads(run, roots), ...createVolumeChanges(run, roots), ...createRecordChanges(run, roots) };
}

function createReads(run: Run, roots: Roots): Pick<DisksPort, 'find' | 'list' | 'survey' | 'pool'> {
  return {
    async find(volumeId) {
      const script = findScript({ volumeId, roots });
      const parse = (output: ScriptOutput) => parseVolumeAnswer(output, { volumeId, roots })?.volume;
      return run({ operation: 'find', effect: 'read', volumeId, script, parse });
    },

    async list() {
      const parse = (output: ScriptOutput) => parseListAnswer(output, roots);
      return run({ operation: 'list', effect: 'read', script: listScript(), parse });
    },

    async survey() {
      const parse = (output: ScriptOutput) => parseSurveyAnswer(output, roots);
      return run({ operation: 'survey', effect: 'read', script: surveyScript(roots), parse });
    },

    async pool(volumePath) {
      const name = poolNameOf(volumePath);
      const parse = (output: ScriptOutput) => parsePoolAnswer(output, name);
      return run({ operation: 'pool', effect: 'read', script: poolScript(name), parse });
    },
  };
}

function createVolumeChanges(run: Run, roots: Roots): Pick<DisksPort, 'create' | 'resize' | 'remove'> {
  return {
    async create(spec) {
      const { volumeId, sizeBytes, volumePath, exported } = spec;
      const script = createScript({ spec, roots });
      const context = { volumeId, roots, sizeBytes, volumePath, exported };
      const parse = (output: ScriptOutput) => parseCreatedAnswer(output, context);
      const seen = await run({ operation: 'create', effect: 'change', volumeId, script, parse });
      return requireServing(seen);
    },

    async resize(volumeId, sizeBytes, clusterId) {
      const script = resizeScript({ volumeId, roots, sizeBytes, clusterId });
      const parse = (output: ScriptOutput) => parseGrownAnswer(output, { volumeId, roots, sizeBytes });
      const seen = await run({ operation: 'resize', effect: 'change', volumeId, script, parse });
      return seen && requireDevice(seen);
    },

    async remove(volumeId, clusterId, files = 'any') {
      const script = removeScript({ volumeId, roots, clusterId, files });
      const parse = (output: ScriptOutput) => parseRemovedAnswer(output, { volumeId, roots, files });
      return run({ operation: 'remove', effect: 'change', volumeId, script, parse });
    },
  };
}

interface RecordOperation {
  readonly operation: keyof DisksPort;
  readonly volumeId: VolumeId;
  readonly script: string;
  /** What RouterOS says to the change counts only if the volume is not so then. */
  readonly isAsWished: (volume: Volume) => boolean;
}

function createRecordChanges(run: Run, roots: Roots): Pick<DisksPort, 'attach' | 'detach' | 'writeRecord'> {
  const change = ({ isAsWished, ...operation }: RecordOperation) => {
    const context = { volumeId: operation.volumeId, roots, isAsWished };
    const parse = (output: ScriptOutput) => parseChangedAnswer(output, context);
    return run({ ...operation, effect: 'change', parse });
  };
  return {
    async attach(volumeId, { clusterId, attachment, exportChange }) {
      const script = attachScript({ volumeId, roots, clusterId, attachment, exportChange });
      const isAsWished = (volume: Volume) =>
        isExportedAs(volume, exportChange.wish) && isAttached(volume.record, { clusterId, wish: attachment });
      const seen = await change({ operation: 'attach', volumeId, script, isAsWished });
      return seen && requireServing(seen);
    },

    async detach(volumeId, { clusterId, nodeId, exportChange }) {
      const script = detachScript({ volumeId, roots, clusterId, nodeId, exportChange });
      const isAsWished = ({ record }: Volume) => judgeDetach({ record, nodeId, clusterId }).kind === 'detached';
      return (await change({ operation: 'detach', volumeId, script, isAsWished }))?.volume;
    },

    async writeRecord(volumeId, { expectedComment, record, exportChange }) {
      const script = writeRecordScript({ volumeId, roots, expectedComment, record, exportChange });
      const isAsWished = (volume: Volume) =>
        volume.comment === formatRecord(record) && isExportedAs(volume, exportChange.wish);
      return (await change({ operation: 'writeRecord', volumeId, script, isAsWished }))?.volume;
    },
  };
}

/** One script, one exec, one line of JSON. */
async function runOperation<T>(options: DisksOptions, operation: Operation<T>): Promise<T> {
  const { session, logger } = options;
  const { operation: name, effect, script, volumeId } = operation;
  const startedMs = performance.now();
  const report = (outcome: DisksEvent['outcome'], message: string): void => {
    const seconds = (performance.now() - startedMs) / 1_000;
    logger.debug({ array: name, volumeId, outcome, seconds }, message);
    options.onEvent?.({ operation: name, outcome, seconds });
  };
  try {
    const result = operation.parse(await session.exec(script, { effect, signal: options.currentSignal?.() }));
    report('ok', `${name} done on the RDS`);
    return result;
  } catch (error) {
    if (error instanceof Fault) report(error.kind, `${name} failed on the RDS: ${error.message}`);
    throw error;
  }
}

/** A size that is not shown is never compared with one that was asked for: that would be an answer for good. */
function requireDevice({ volume, hasDevice }: SeenVolume): Volume {
  if (hasDevice) return volume;
  const why = `its disk has no block device: is its backing file ${volume.filePath} missing?`;
  throw new Fault('ArrayUnsettled', `${volume.volumeId}: ${why}`);
}

/** A disk that an operator has disabled on purpose is not turned on behind their back. */
function requireServing(seen: SeenVolume): Volume {
  const volume = requireDevice(seen);
  if (!seen.disabled) return volume;
  throw new Fault('ArrayUnsettled', `${volume.volumeId}: its disk is disabled on the RDS, so no node can reach it`);
}
