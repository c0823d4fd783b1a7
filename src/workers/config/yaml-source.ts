import path from 'node:path';
import { type ErrorCode, isMap, isScalar, isSeq, LineCounter, type Node, type ParsedNode, parseDocument } from 'yaml';
import type { ConfigProblem } from './config-error';

/** What one source says of one field. */
export interface Given {
  readonly texts: readonly string[];
  /** `--rds-port`, `RDS_CSI_RDS_PORT`, `config.yaml:7`. */
  readonly origin: string;
}

export interface YamlSource {
  readonly given: ReadonlyMap<string, Given>;
  /** Whether the file's keys are known; if not, nothing can be said about what is missing. */
  readonly readable: boolean;
  readonly problems: readonly ConfigProblem[];
}

/** The library's own messages repeat the file's text, which may be a secret: these do not. */
const SYNTAX: Partial<Record<ErrorCode, string>> = {
  BAD_INDENT: 'wrong indentation',
  TAB_AS_INDENT: 'a tab as indentation',
  DUPLICATE_KEY: 'the same key a second time',
  MISSING_CHAR: 'a character is missing, such as a closing quote, a comma or a colon',
  MULTIPLE_DOCS: 'more than one document',
  BLOCK_AS_IMPLICIT_KEY: 'a value that begins where it may not',
  UNEXPECTED_TOKEN: 'something that is not expected here',
};

/**
 * A YAML file of one flat map. Every scalar counts as the text that is written: `007` stays `007`. Its keys are not judged here.
 */
export function parseYamlSource(text: string, file: string): YamlSource {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, merge: false });
  const name = path.basename(file);
  const originAt = (offset: number | undefined) =>
    offset === undefined ? name : `${name}:${Math.max(1, lines.linePos(offset).line)}`;
  const problem = (offset: number | undefined, message: string, key?: string): ConfigProblem => ({
    name: key,
    origin: originAt(offset),
    message,
  });
  if (document.errors.length > 0) {
    return {
      given: new Map(),
      readable: false,
      problems: document.errors.map(({ code, pos }) => problem(pos[0], `is not YAML: ${SYNTAX[code] ?? code}`)),
    };
  }
  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null))
    return { given: new Map(), readable: true, problems: [] };
  if (!isMap(contents))
    return {
      given: new Map(),
      readable: false,
      problems: [problem(contents.range[0], 'is no map of keys and values')],
    };

  const given = new Map<string, Given>();
  const problems: ConfigProblem[] = [];
  for (const { key, value } of contents.items) {
    const offset = key.range[0];
    if (!isScalar(key)) {
      problems.push(problem(offset, 'has a key that is not a plain text'));
      continue;
    }
    const texts = findTexts(value);
    if (typeof texts === 'string') problems.push(problem(offset, texts, String(key.value)));
    else given.set(String(key.value), { texts, origin: originAt(offset) });
  }
  return { given, readable: true, problems };
}

/** The texts of a scalar or of a list of them; a sentence that says what is wrong, if it is neither. */
function findTexts(node: ParsedNode | null): readonly string[] | string {
  if (!isSeq(node)) {
    const text = findText(node);
    return text === undefined ? 'has no value that is a text, a number or a list of texts' : [text];
  }
  const texts = node.items.map((item) => findText(item));
  const known = texts.filter((text) => text !== undefined);
  return known.length < texts.length ? 'has an item that is no text' : known;
}

function findText(node: Node | null): string | undefined {
  if (!isScalar(node) || node.value === null) return undefined;
  return typeof node.value === 'string' ? node.value : node.source;
}
