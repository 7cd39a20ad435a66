// What a run is asked to be, in words of the wire.
import {
  type CreateRunRequest,
  type DeepPartial,
  ExportFormat,
  NoiseTable,
  Pooling,
} from '../../../proto/gen/zeroth/v1/run_service.ts';
import { strategyOf } from '../../../server/strategy/index.ts';
import type { ModelFacts } from '../inputs/model-place.ts';
import { listOf, objectiveOf, type Task } from '../inputs/row-flags.ts';
import type { Objective } from './course.ts';
import type { TrainSettings } from './flags.ts';

const poolings = { mean: Pooling.POOLING_MEAN, 'first-token': Pooling.POOLING_FIRST_TOKEN } as const;

/** What is trained, and, of a classification, the share of mistakes. */
export function objectivesOf(task: Task, output: string) {
  const mistakes: Objective | undefined =
    task === 'classification' ? { name: 'accuracy', output } : undefined;
  return { objective: { name: objectiveOf[task], output }, mistakes };
}

/** A new head's output is called "logits". */
export function outputOf({ head }: TrainSettings, facts: ModelFacts): string {
  return head === 'none' ? facts.output : 'logits';
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
  const [include, exclude] = [listOf(settings.include), listOf(settings.exclude)];
  const targets = listOf(settings.loraTargets);
  return {
    objective: objectivesOf(settings.task, outputOf(settings, facts)).objective,
    table: tables[strategyOf(settings.strategy).table],
    runId: settings.id ?? '',
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
