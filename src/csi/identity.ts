import type { IdentityServer } from './generated/csi';
import { PluginCapability_Service_Type, PluginCapability_VolumeExpansion_Type } from './generated/csi';
import { type UnaryScope, unary } from './unary';

export interface IdentityOptions {
  readonly driverName: string;
  readonly version: string;
  /** Whether the process can do its work now; from memory, at once. */
  readonly ready: () => boolean;
}

/** Who this plugin is and what it can do (CSI Identity). Probe answers from memory: an outage never makes it slow. */
export function createIdentityService(options: IdentityOptions, scope: UnaryScope): IdentityServer {
  const { driverName, version, ready } = options;
  return {
    getPluginInfo: unary(scope, 'GetPluginInfo', () => ({ name: driverName, vendorVersion: version, manifest: {} })),
    getPluginCapabilities: unary(scope, 'GetPluginCapabilities', () => ({
      capabilities: [
        // Of the plugin as a whole, whichever of its processes is asked (CSI spec 1.12, GetPluginCapabilities).
        { type: { $case: 'service', value: { type: PluginCapability_Service_Type.CONTROLLER_SERVICE } } } as const,
        { type: { $case: 'volumeExpansion', value: { type: PluginCapability_VolumeExpansion_Type.ONLINE } } as const },
      ],
    })),
    probe: unary(scope, 'Probe', () => ({ ready: ready() })),
  };
}
