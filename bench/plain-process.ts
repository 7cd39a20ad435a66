// Started by plain.ts: `node plain-process.ts MODEL THREADS ROWS SEQUENCE`. A session as anybody would make
// it, from the path of a file, and a forward pass whenever it is asked for one.
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { tokens } from './transformer.ts';

const [path, ...numbers] = process.argv.slice(2);
const [threads, rows, sequence] = numbers.map(Number);

const session = await InferenceSession.create(path, { intraOpNumThreads: threads });
const { ids, mask } = tokens(rows, sequence);
const feeds = {
  input_ids: new Tensor('int64', ids, [rows, sequence]),
  attention_mask: new Tensor('int64', mask, [rows, sequence]),
};

async function forward(): Promise<void> {
  const start = performance.now();
  await session.run(feeds, ['logits']);
  process.send!(performance.now() - start);
}

process.on('message', () => void forward());
process.send!(0);
