/** Where something stands in a script; both count from 1, columns in bytes. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/**
 * Found while a script is read, so nothing of it has run and `:onerror` cannot catch it. `message` is the whole line that
 * RouterOS prints. `incomplete`: more input could still make it right (the prompt then asks for another line).
 */
export class ParseError extends Error {
  constructor(
    message: string,
    readonly incomplete: boolean = false,
  ) {
    super(message);
  }

  static at(what: string, place: Place, incomplete = false): ParseError {
    return new ParseError(`${what} (line ${place.line} column ${place.column})`, incomplete);
  }
}

/** A failure while a script runs: `:onerror` and `on-error=` catch it. */
export class ScriptError extends Error {
  /** @param where the command, e.g. `/disk/add` or `:error`; RouterOS adds it to the text, with the line. */
  constructor(
    readonly reason: string,
    readonly where: string,
    readonly line: number,
  ) {
    super(`${reason} (${where}; line ${line})`);
  }
}

/** What a menu refuses, without knowing where in a script it was asked to. */
export class Refusal extends Error {
  /** `argument`: the one whose value is at fault. */
  constructor(
    message: string,
    readonly argument?: string,
  ) {
    super(message);
  }
}

/** Ends the script at once, uncaught by `:onerror`: `:quit`, the power going off, a fault that silences the script. */
export class Halt extends Error {
  constructor(readonly by: 'quit' | 'power' | 'fault') {
    super(`script ended by ${by}`);
  }
}
