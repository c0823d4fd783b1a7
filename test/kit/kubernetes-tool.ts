/**
 * The control plane of Kubernetes that tests start, as a Go program that is built once. Node alone reads this file too
 * (scripts/tools.mjs), so what it imports of the project are types.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { GoTool } from '../../temporal/go-tool';

/** From the root of the project, where every npm script runs: this file is read as a module of either kind. */
const folder = path.resolve('test/kubernetes/control-plane');
const sources = ['main.go', 'go.mod', 'go.sum'].map((name) => readFileSync(path.join(folder, name), 'utf8'));
const release = /^\tk8s\.io\/kubernetes v(\S+)$/m.exec(sources[1] ?? '')?.[1];
if (release === undefined) throw new Error(`${folder}/go.mod names no version of k8s.io/kubernetes`);
const [major, minor] = release.split('.');

/** What a release build sets: the API server refuses to start as a version that it cannot read. */
const stamps = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((variables) => [
  `${variables}.gitVersion=v${release}`,
  `${variables}.gitMajor=${major}`,
  `${variables}.gitMinor=${minor}`,
]);

/** etcd, kube-apiserver and kube-controller-manager in one program. Its version tells what it was made of. */
export const KUBERNETES_TOOL: GoTool = {
  name: 'kubernetes',
  version: `${release}-${createHash('sha256').update(sources.join('\0')).digest('hex').slice(0, 8)}`,
  source: { kind: 'own', folder, linkerFlags: stamps.map((stamp) => `-X ${stamp}`).join(' ') },
  buildTime: '4 to 12 minutes',
};
