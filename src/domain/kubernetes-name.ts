/** The two forms of names in Kubernetes, after RFC 1123. */

const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const LONGEST_LABEL = 63;
const LONGEST_SUBDOMAIN = 253;

/** Names of namespaces: one label of at most 63 characters. */
export function isKubernetesLabel(text: string): boolean {
  return text.length <= LONGEST_LABEL && LABEL.test(text);
}

/** Names of nodes, claims and volumes: labels with dots between them, at most 253 characters; a label may fill them all. */
export function isKubernetesSubdomain(text: string): boolean {
  return text.length <= LONGEST_SUBDOMAIN && text.split('.').every((label) => LABEL.test(label));
}
