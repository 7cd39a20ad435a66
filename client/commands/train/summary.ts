// What a training has come to, for people and for programs.
import type { ExportHeader } from '../../../proto/gen/zeroth/v1/run_service.ts';
import type { TrainingData } from '../inputs/training-data.ts';
import { bytes, counted, hasColors } from '../output.ts';
import type { Outcome } from './course.ts';
import type { TrainSettings } from './flags.ts';
import { number, percent, perSecond, summaryTable } from './screen.ts';

export type Finished = {
  readonly settings: TrainSettings;
  /** On a server that goes on. */
  readonly run: string | undefined;
  readonly address: string;
  readonly data: TrainingData;
  readonly outcome: Outcome;
  readonly exported: ExportHeader;
  readonly isWhole: boolean;
};

export function toText({ settings, run, address, outcome, exported, isWhole }: Finished): string {
  const { steps, examplesForwarded, seconds, lostSteps, evaluations } = outcome;
  const forwarded = counted(examplesForwarded, 'example');
  const lines = [
    ...(steps === 0 ? ['no step was made'] : [summaryTable(evaluations, hasColors(process.stdout))]),
    `${settings.strategy}: ${counted(steps, 'step')}${isWhole ? '' : ', interrupted'}, ${forwarded} forwarded, ${seconds.toFixed(1)} s, ${perSecond(steps, seconds)}`,
    ...(lostSteps === 0
      ? []
      : [
          `${counted(lostSteps, 'step')} had a loss that is not finite and changed nothing: try a lower rate`,
        ]),
    ...comparison(outcome),
    `${settings.out}: ${bytes(Number(exported.bytes))}`,
    `SHA-256 ${exported.sha256}`,
    ...(run === undefined ? [] : [`${run} stays on ${address}, at revision ${exported.revision}`]),
  ];
  return `${lines.join('\n')}\n`;
}

function comparison({ evaluations }: Outcome): string[] {
  const [first, last] = [evaluations[0], evaluations.at(-1)!];
  if (first.loss === undefined || last === first) return [];
  const accuracy =
    last.accuracy === undefined ? '' : `, accuracy ${percent(first.accuracy!)} to ${percent(last.accuracy)}`;
  return [`held-out loss ${number(first.loss)} to ${number(last.loss)}${accuracy}`];
}

export function toJson({ settings, run, data, outcome, exported, isWhole }: Finished): string {
  const { task, batchSize, chosen } = settings;
  const summary = {
    model: settings.model,
    task,
    strategy: { name: chosen.name, ...chosen.options, batchSize, seed: String(chosen.options.seed) },
    additions: additionsOf(settings),
    rows: {
      train: data.train.rows,
      heldOut: data.held?.rows,
      length: data.train.length,
      cut: data.train.truncated,
    },
    classes: data.classes,
    isWhole,
    ...outcome,
    out: {
      file: settings.out,
      bytes: Number(exported.bytes),
      sha256: exported.sha256,
    },
    run,
  };
  return `${JSON.stringify(summary, undefined, 2)}\n`;
}

function additionsOf({ loraRank, loraAlpha, promptTokens, prefixTokens, merge, head }: TrainSettings) {
  const lora = loraRank === undefined ? undefined : { rank: loraRank, alpha: loraAlpha, isMerged: merge };
  return { lora, promptTokens, prefixTokens, head: head === 'none' ? undefined : head };
}
