import { Fault } from '../../domain/fault';

/** Takes back what a failed call has done; the error to throw then: the first one, and the second in its words if that failed too. */
export async function undoAfter(error: unknown, undo: () => Promise<void>): Promise<unknown> {
  try {
    await undo();
    return error;
  } catch (undoError) {
    if (!(error instanceof Fault && undoError instanceof Fault)) return error;
    const message = `${error.message}; and it could not be disconnected again: ${undoError.message}`;
    return new Fault(error.kind, message, { cause: error });
  }
}
