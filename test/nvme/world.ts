import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from '@jest/globals';
import { type Controller, type Driver, type Node, startDriver, waitUntilReady } from '../kit/driver';
import { disconnectAll, type ForeignSession, startForeignSession } from './kernel';
import { controllersOf, deviceOf, type PodVolume } from './kit';
import { startWriter, type Writer } from './writer';

/** Flags of a simulated RDS that nodes can really connect to, those of another machine too. */
const REAL_EXPORTS: readonly string[] = ['--exports=nvmet', '--exports-address=0.0.0.0'];
/** The node of this guest. */
export const NODE_ID = 'node-a';
const FOREIGN_BYTES = 2 ** 24;

/** One driver for all tests, since it takes long to start here; and a disk of the node's own beside it, in use all the time. */
export class World {
  private parts:
    | {
        readonly driver: Driver;
        node: Node;
        readonly foreign: ForeignSession;
        readonly foreignBefore: readonly string[];
        readonly foreignWriter: Writer;
      }
    | undefined;

  async start(): Promise<void> {
    const foreign = await startForeignSession(mkdtempSync(path.join(tmpdir(), 'foreign-')));
    const foreignBefore = controllersOf(foreign.nqn);
    const [driver, foreignWriter] = await Promise.all([
      startDriver({ simulatorArgs: REAL_EXPORTS, ready: false }),
      startWriter({ file: foreign.devicePath, sizeBytes: FOREIGN_BYTES, pauseMs: 200 }),
    ]);
    const [node] = await Promise.all([startNode(driver), waitUntilReady(driver.controller)]);
    this.parts = { driver, node, foreign, foreignBefore, foreignWriter };
  }

  get driver(): Driver {
    return this.started.driver;
  }

  get node(): Node {
    return this.started.node;
  }

  /** Another process of the same node; `main`: of another release. */
  async startNode(main?: string): Promise<void> {
    this.started.node = await startNode(this.driver, main);
  }

  /** Another controller in the place of the one that there was, with other configuration: for the tests that are the last. */
  async replaceController(config: Readonly<Record<string, unknown>>): Promise<Controller> {
    // Two replicas for a while.
    const [controller] = await Promise.all([
      this.driver.startController({ config }),
      this.driver.controller.program.stop(),
    ]);
    return controller;
  }

  /** Attached, staged and published on the node, as the kubelet asks for it. */
  async attach(volume: PodVolume, { csi }: Pick<Driver, 'csi'> = this.driver) {
    const pod = volume.on(this.node);
    const { volumeId, volumeCapability, volumeContext } = pod.stage;
    await csi.publishVolume({ volumeId, nodeId: NODE_ID, volumeCapability, volumeContext });
    await this.node.csi.stage(pod.stage);
    await this.node.csi.publish(pod.publish);
    return pod;
  }

  /** The workload that nothing here has to do with: what it meets, the machine has done. */
  get bystander(): Writer {
    return this.started.foreignWriter;
  }

  /** A sample of the node's, without labels; undefined: there is none. */
  async metric(name: string): Promise<number | undefined> {
    const text = await (await fetch(`http://${HTTP_ADDRESS}/metrics`)).text();
    const line = text.split('\n').find((each) => each.startsWith(`${name} `));
    return line === undefined ? undefined : Number(line.split(' ')[1]);
  }

  /** The node's own disk is as it was: the same session, no write failed, nothing lost. */
  async verifyForeign(): Promise<void> {
    const { foreign, foreignBefore, foreignWriter } = this.started;
    await foreignWriter.more(5);
    expect([controllersOf(foreign.nqn), deviceOf(foreign.nqn)]).toEqual([foreignBefore, foreign.devicePath]);
    await foreignWriter.end();
    await foreignWriter.verify();
    foreign.end();
  }

  /** What failed tests have left connected goes first: without the RDS its mounts would wait for ever to be taken away. */
  async stop(): Promise<void> {
    disconnectAll();
    await this.parts?.driver.stop();
  }

  private get started() {
    if (!this.parts) throw new Error('nothing is started');
    return this.parts;
  }
}

/** The guest has it to itself. */
const HTTP_ADDRESS = '127.0.0.1:9909';

function startNode(driver: Driver, main?: string): Promise<Node> {
  return driver.startNode(NODE_ID, {
    config: { connector: 'nvme', loopBackingDir: undefined, httpAddress: HTTP_ADDRESS },
    ...(main !== undefined && { main }),
  });
}
