// Started by ../plain.ts: `node forward-process.ts MODEL DEVICE ROWS SEQUENCE`. One session of the frozen model on a device, its
// batch and its output on the host. Over the C API and not onnxruntime-node's own binding, so that the provider computes as it
// does for the server: whole float32 products, where CUDA's default would round them to TF32.
import { CApiRuntime } from '../../server/runtime/capi/capi.ts';
import type { DeviceName } from '../../server/runtime/runtime.ts';
import type { Tensor } from '../../server/tensor.ts';
import { THREADS } from '../server.ts';
import { tokens } from '../transformer.ts';

const [path, device, ...numbers] = process.argv.slice(2);
const [rows, sequence] = numbers.map(Number);

const runtime = CApiRuntime.open({ device: device as DeviceName, threads: THREADS, spinning: true });
const session = await runtime.createSession(path);
const { ids, mask } = tokens(rows, sequence);
const feeds = { input_ids: int64(ids), attention_mask: int64(mask) };

function int64({ buffer }: BigInt64Array): Tensor {
  return { dataType: 'int64', shape: [rows, sequence], data: new Uint8Array(buffer) };
}

async function forward(): Promise<void> {
  const start = performance.now();
  await session.run(feeds, ['logits']);
  process.send!(performance.now() - start);
}

process.on('message', () => void forward());
process.send!(0);
