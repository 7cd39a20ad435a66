import { CApiRuntime } from '../../server/runtime/capi/capi.ts';
import { NodeRuntime } from '../../server/runtime/node.ts';
import { keepsTheContract } from './contract.ts';

keepsTheContract('onnxruntime-node', () => new NodeRuntime({ threads: 1 }));
keepsTheContract('the C API', () => CApiRuntime.open({ device: 'cpu', threads: 1 }));
