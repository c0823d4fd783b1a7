import { Fault } from './fault';
import { isKubernetesLabel, isKubernetesSubdomain } from './kubernetes-name';
import { formatUntrusted } from './text';

/** A PersistentVolumeClaim. */
export interface Claim {
  readonly namespace: string;
  readonly name: string;
}

/** Both are Kubernetes names (DNS-1123). Throws InvalidArgument naming `<field>/namespace` or `<field>/name`. */
export function parseClaim({ namespace, name }: Claim, field: string): Claim {
  if (!isKubernetesLabel(namespace)) {
    throw new Fault(
      'InvalidArgument',
      `${field}/namespace: ${formatUntrusted(namespace)} is no Kubernetes name (DNS-1123)`,
    );
  }
  if (!isKubernetesSubdomain(name)) {
    throw new Fault('InvalidArgument', `${field}/name: ${formatUntrusted(name)} is no Kubernetes name (DNS-1123)`);
  }
  return { namespace, name };
}
