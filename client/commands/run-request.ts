// What a run is asked to be, in words of the wire.
import {
  type CreateRunRequest,
  type DeepPartial,
  ExportFormat,
  NoiseTable,
  Pooling,
} from '../../proto/gen/zeroth/v1/run_service.ts';
import { strategyOf } from '../../server/strategy/index.ts';
import type { Objective } from './course.ts';
import type { ModelFacts } from './model-place.ts';
import { patternsOf, type TrainSettings } from './train-flags.ts';

/** The objective that scores a task. */
const objectives = {
  classification: 'cross_entropy',
  'causal-lm': 'causal_lm',
  'masked-lm': 'masked_lm',
} as const satisfies Record<TrainSettings['task'], string>;

const poolings = { mean: Pooling.POOLING_MEAN, 'first-token': Pooling.POOLING_FIRST_TOKEN } as const;

/** What is trained, and, of a classification, the share of mistakes. A new head's output is called "logits". */
export function objectivesOf({ task, head }: TrainSettings, facts: ModelFacts) {
  const output = head === 'none' ? facts.output : 'logits';
  const mistakes: Objective | undefined =
    task === 'classification' ? { name: 'accuracy', output } : undefined;
  return { objective: { name: objectives[task], output }, mistakes };
}

const tables = {
  gaussian: NoiseTable.NOISE_TABLE_GAUSSIAN,
  rademacher: NoiseTable.NOISE_TABLE_RADEMACHER,
} as const;

/** Directions come from the table that the strategy is meant for. @param classes of a new head. */
export function toRunRequest(
  settings: TrainSettings,
  facts: ModelFacts,
  classes: number,
): Omit<DeepPartial<CreateRunRequest>, 'model'> {
  const { loraRank: rank, loraAlpha: alpha, promptTokens, prefixTokens, seed, head } = settings;
  const [include, exclude] = [patternsOf(settings.include), patternsOf(settings.exclude)];
  const targets = patternsOf(settings.loraTargets);
  return {
    objective: objectivesOf(settings, facts).objective,
    table: tables[strategyOf(settings.strategy).table],
    ...(include.length + exclude.length > 0 && { trainable: { include, exclude } }),
    ...(rank !== undefined && { lora: { rank, alpha, targets, seed } }),
    ...(promptTokens !== undefined && { prompt: { tokens: promptTokens, seed } }),
    ...(prefixTokens !== undefined && { prefix: { tokens: prefixTokens, seed } }),
    ...(head !== 'none' && { head: { output: facts.output, classes, pooling: poolings[head], seed } }),
  };
}

export function formatOf({ merge }: TrainSettings): ExportFormat {
  return merge ? ExportFormat.EXPORT_FORMAT_ONNX_MERGED : ExportFormat.EXPORT_FORMAT_ONNX;
}
