import { status } from '@grpc/grpc-js';
import { type Connection, isGrpcServiceError } from '@temporalio/client';
import { temporal } from '@temporalio/proto';
import { SEARCH_ATTRIBUTES } from '../src/contract/search-attributes';
import { Fault } from '../src/domain/fault';

const { IndexedValueType } = temporal.api.enums.v1;

/** Names of what must be registered, each as a Keyword, before the driver can start a workflow in a namespace. */
export const REQUIRED_SEARCH_ATTRIBUTES: readonly string[] = Object.values(SEARCH_ATTRIBUTES).map(({ name }) => name);

export interface SearchAttributeOptions {
  readonly connection: Connection;
  readonly namespace: string;
  readonly log: (line: string) => void;
}

/**
 * Registers what the namespace lacks. Where the server does not let us (Temporal Cloud), says what an operator must run, and
 * goes on. Throws InvalidArgument if one is there with another type: no workflow could be started then.
 */
export async function ensureSearchAttributes(options: SearchAttributeOptions): Promise<void> {
  const { namespace, log } = options;
  try {
    await registerMissing(options);
  } catch (error) {
    if (!isRefusal(error)) throw error;
    log(
      `search attributes could not be checked or registered (${error.message}); unless they are there, an operator must ` +
        'run this, or do the same with tcld in Temporal Cloud:',
    );
    for (const name of REQUIRED_SEARCH_ATTRIBUTES) {
      log(`  temporal operator search-attribute create --namespace ${namespace} --name ${name} --type Keyword`);
    }
  }
}

async function registerMissing({ connection, namespace, log }: SearchAttributeOptions): Promise<void> {
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const missing: string[] = [];
  for (const name of REQUIRED_SEARCH_ATTRIBUTES) {
    const type = customAttributes?.[name];
    if (type === undefined || type === null) missing.push(name);
    else if (type !== IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD) {
      const found = IndexedValueType[type] ?? type;
      throw new Fault(
        'InvalidArgument',
        `search attribute ${name} of Temporal namespace ${namespace} is ${found}, not Keyword`,
      );
    }
  }
  if (missing.length === 0) return;
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(missing.map((name) => [name, IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD])),
  });
  log(`registered search attributes in Temporal namespace ${namespace}: ${missing.join(', ')}`);
}

/** The server answered, and does not let us. */
function isRefusal(error: unknown): error is Error {
  return isGrpcServiceError(error) && (error.code === status.PERMISSION_DENIED || error.code === status.UNIMPLEMENTED);
}
