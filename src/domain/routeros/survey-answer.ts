import type { ArraySurvey, StrayFile } from '../stock';
import type { VolumePath } from '../volume-path';
import { parseVolumes, throwError } from './answer';
import { copiesIn } from './copies';
import { type Answer, parseAnswer, type ScriptOutput } from './json-line';
import { findVolumeOf, withLeadingSlash } from './ownership';

/**
 * Everything of this driver on the RDS, by one answer: so a disk and its file are seen at the same moment. A row that cannot be told:
 * ArrayUnreadable.
 */
export function parseSurveyAnswer(output: ScriptOutput, roots: readonly VolumePath[]): ArraySurvey {
  const answer = parseAnswer(output);
  throwError(answer, 'the survey of disks and files');
  const files = new Set(answer.rows('files').map((row) => withLeadingSlash(row.text('name'))));
  const volumes = parseVolumes(answer, roots).map((volume) => ({ ...volume, fileExists: files.has(volume.filePath) }));
  return { volumes, strayFiles: parseStrayFiles(answer, roots) };
}

function parseStrayFiles(answer: Answer, roots: readonly VolumePath[]): readonly StrayFile[] {
  const used = new Set(answer.rows('users').map((row) => withLeadingSlash(row.text('file-path'))));
  const isCopy = copiesIn(answer);
  return answer.rows('files').flatMap((row): readonly StrayFile[] => {
    const path = withLeadingSlash(row.text('name'));
    const volumeId = findVolumeOf(path, roots);
    return volumeId === undefined || used.has(path) || isCopy(path)
      ? []
      : [{ volumeId, path, sizeBytes: row.bytes('size') }];
  });
}
