// Every setting of the server, described once: flags, environment, --help, checks and GetServerInfo
// are made from this table.
import { availableParallelism } from 'node:os';

export type Setting<Value extends string | number = string | number> = {
  readonly kind: 'text' | 'choice' | 'integer' | 'bytes';
  readonly default: Value;
  readonly help: string;
  readonly choices?: readonly Value[];
  /** Of an integer or a number of bytes, both included. */
  readonly range?: readonly [minimum: number, maximum: number];
  /** Of a text: whether it may be empty, which is none. */
  readonly isOptional?: boolean;
  /** A bound that a client can meet; GetServerInfo reports it. */
  readonly isLimit?: boolean;
};

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;
/** protobuf's bound on a message, and gRPC's on a frame. */
const INT32_MAX = 2 ** 31 - 1;
/** What a message needs around the bytes it carries: names, shapes, tags. */
const MESSAGE_ROOM_BYTES = 4 * KiB;

function text(value: string, help: string): Setting<string> {
  return { kind: 'text', default: value, help };
}

function optionalText(help: string): Setting<string> {
  return { kind: 'text', default: '', help, isOptional: true };
}

function choice<const Choice extends string>(choices: readonly Choice[], help: string): Setting<Choice> {
  return { kind: 'choice', default: choices[0], choices, help };
}

function integer(value: number, range: readonly [number, number], help: string): Setting<number> {
  return { kind: 'integer', default: value, range, help };
}

function countLimit(value: number, help: string, maximum = INT32_MAX): Setting<number> {
  return { kind: 'integer', default: value, range: [1, maximum], help, isLimit: true };
}

function bytesLimit(value: number, help: string, maximum = Number.MAX_SAFE_INTEGER): Setting<number> {
  return { kind: 'bytes', default: value, range: [1, maximum], help, isLimit: true };
}

export const settings = {
  host: text('127.0.0.1', 'address to listen on; the default is reached from this machine alone'),
  port: integer(50051, [0, 65535], 'port to listen on; 0 takes any free one'),
  tlsCert: optionalText(
    'PEM file of the certificate, and of those between it and its root; empty is plain text',
  ),
  tlsKey: optionalText('PEM file of its private key'),
  tlsClientCa: optionalText(
    'PEM file of roots; clients have to show a certificate that one of them vouches for',
  ),
  tokenFile: optionalText(
    'file of tokens, one a line; calls have to carry one of them. Read again when it changes',
  ),
  modelDir: text('./models', 'folder that models may be loaded from'),
  objectiveDir: optionalText(
    'folder of objectives of your own, whose modules this server runs; empty is none',
  ),
  dataDir: text('./data', "folder of the journal and the datasets; ':memory:' keeps nothing"),
  logLevel: choice(
    ['info', 'trace', 'debug', 'warn', 'error', 'fatal', 'silent'],
    'the least severe level that is logged',
  ),
  logFormat: choice(['auto', 'json', 'pretty'], 'auto is pretty on a terminal, JSON elsewhere'),
  journalSync: choice(
    ['full', 'normal'],
    'full: an update survives a power cut; normal: it survives the death of the process',
  ),
  device: choice(
    ['cpu', 'webgpu', 'cuda', 'auto'],
    'where models compute and weights lie; auto is the first of cuda, webgpu and cpu that works',
  ),
  strictDevice: choice(
    ['off', 'on'],
    'on refuses models of which the host would compute a node for the device',
  ),
  runtime: choice(
    ['capi', 'node'],
    "the way to ONNX Runtime: its C API, or onnxruntime-node's binding (cpu only, runs cannot be ended early)",
  ),
  threads: integer(Math.max(1, availableParallelism()), [1, 1024], 'threads of a forward pass, per model'),
  spinning: choice(
    ['on', 'off'],
    'whether threads that wait within a forward pass keep their core busy; off where several models share the cores',
  ),
  shutdownGraceMs: integer(10_000, [0, INT32_MAX], 'how long calls may go on once a stop was asked for'),
  keepaliveMs: integer(30_000, [1000, INT32_MAX], 'how often a silent connection is checked'),

  messageBytesMax: bytesLimit(4 * MiB, 'of one gRPC message', INT32_MAX),
  chunkBytes: bytesLimit(256 * KiB, 'of data in one message of a stream that the server sends', INT32_MAX),
  replyBytesMax: bytesLimit(4 * MiB - 64 * KiB, 'of losses and outputs in one reply', INT32_MAX),
  modelBytesMax: bytesLimit(INT32_MAX, 'of one model file', INT32_MAX),
  weightsBytesMax: bytesLimit(8 * GiB, 'of trainable weights in memory, all runs together'),
  datasetBytesMax: bytesLimit(16 * GiB, 'of all datasets on disk, unfinished uploads included'),
  datasetCacheBytesMax: bytesLimit(2 * GiB, 'of datasets kept in memory; each has to fit'),
  modelsMax: countLimit(16, 'loaded models'),
  runsMax: countLimit(1024, 'runs'),
  uploadsMax: countLimit(8, 'uploads of datasets at a time'),
  pointsPerRequestMax: countLimit(4096, 'points in one request'),
  shiftsPerRequestMax: countLimit(65_536, 'shifts in one request, all points together'),
  rowsPerMicroBatchMax: countLimit(256, 'rows in one forward pass; larger batches take several'),
  // Where the figure lies matters little: a token cost 95 to 111 us in passes of 512 to 4,096 of them and 118 in one of 8,192
  // (6 layers of 384, 2 threads of 2 cores that others used too). 32 rows of 128 fit.
  tokensPerMicroBatchMax: countLimit(4096, 'tokens in one forward pass, except where one row has more'),
  // 32 directions cost 13 ns a weight to cross (bench: snapshot.move), an eighth of the four forward passes of a
  // MeZO-SVRG step at 2,048 tokens; from there on a copy is worth its memory.
  snapshotWayMax: countLimit(32, 'directions to a snapshot, beyond which a copy is kept where there is room'),
  // Moving a weight by a shift takes 0.2-0.4 ns (bench: moves, snapshot.move): 4e9 of them are a second or two of a restart. A
  // checkpoint reads and writes all weights: 256 shifts make that a few per cent of what the moves themselves took.
  checkpointShifts: integer(
    256,
    [1, INT32_MAX],
    'shifts since the last checkpoint of a run, before the next',
  ),
  checkpointWork: integer(
    4e9,
    [1, Number.MAX_SAFE_INTEGER],
    'the same, in shifts times weights; both are needed',
  ),
  checkpointsPerRunMax: integer(2, [0, 1000], 'checkpoints of one run on disk; 0 writes none'),
  checkpointBytesMax: bytesLimit(16 * GiB, 'of all checkpoints on disk'),
  driveWindowMax: countLimit(64, 'steps under way on one Drive stream'),
  queuePerRunMax: countLimit(256, 'requests that wait for one run'),
  queuePerModelMax: countLimit(1024, 'requests that wait for one model, all runs together'),
  // Long enough for a judge that is a large language model itself; short enough that one that hangs is noticed.
  remoteObjectiveMs: integer(
    60_000,
    [1, INT32_MAX],
    'milliseconds that a client may take to score a request of ServeObjective',
  ),
  remoteWaitMs: integer(
    600_000,
    [1, INT32_MAX],
    'milliseconds that a training waits for a client that serves its objective',
  ),
  remoteObjectiveBytesMax: bytesLimit(256 * MiB, 'of model outputs that wait to be scored by clients'),
  remoteRequestsMax: countLimit(64, 'requests under way at one client that serves an objective'),
  remoteClientsMax: countLimit(256, 'clients that serve objectives'),
  snapshotsPerRunMax: countLimit(1024, 'snapshots of one run'),
  trainingsMax: countLimit(1024, 'trainings that the server runs or has run'),
  trainingEventsMax: countLimit(100_000, 'steps of one training whose events are kept'),
  studiesMax: countLimit(1024, 'studies'),
  trialsPerStudyMax: countLimit(10_000_000, 'trials of one study'),
  trialsOpenMax: countLimit(
    1024,
    'trials of one study that are offered and not told yet, and values in one request',
  ),
  // Full CMA-ES has a bound of its own; what is left works in as many numbers as there are dimensions.
  studyDimensionsMax: countLimit(10_000, 'dimensions of a study whose trials are vectors'),
  studyBytesMax: bytesLimit(4 * GiB, 'of one study that is imported'),
  leaseMs: integer(
    60_000,
    [1, INT32_MAX],
    'milliseconds that a trial is leased for, where the client does not say',
  ),
  leaseMsMax: countLimit(86_400_000, 'milliseconds that a trial may be leased for'),
  askWaitMsMax: countLimit(30_000, 'milliseconds that a client may wait for a trial'),
  watchersMax: countLimit(
    256,
    'streams that watch journals, and as many that watch trainings, or read outputs',
  ),
  objectivesMax: countLimit(64, 'objectives of the operator'),
  objectiveBytesMax: bytesLimit(16 * MiB, 'of one objective of the operator'),
  // The watchdog is a thread for each call, some 0.3 ms where others work too (bench: objective.call).
  objectiveMsMax: integer(
    10_000,
    [0, INT32_MAX],
    "milliseconds that a call of an operator's module may take, and its import; 0 is no bound, and saves the watchdog",
  ),
  pageSizeMax: countLimit(1000, 'items on one page of a list', 1000),
} as const satisfies Record<string, Setting>;

export type SettingName = keyof typeof settings;

export const settingNames = Object.keys(settings) as SettingName[];

/** Everything a server is told at its start. Sizes in bytes, times in milliseconds. */
export type Config = { readonly [Name in SettingName]: (typeof settings)[Name]['default'] };

/** `smaller` plus `room` has to be at most `larger`. */
type Relation = {
  readonly smaller: SettingName;
  readonly larger: SettingName;
  readonly room?: number;
};

export const relations: readonly Relation[] = [
  { smaller: 'chunkBytes', larger: 'messageBytesMax', room: MESSAGE_ROOM_BYTES },
  { smaller: 'replyBytesMax', larger: 'messageBytesMax', room: MESSAGE_ROOM_BYTES },
  { smaller: 'replyBytesMax', larger: 'remoteObjectiveBytesMax' },
  { smaller: 'queuePerRunMax', larger: 'queuePerModelMax' },
  { smaller: 'leaseMs', larger: 'leaseMsMax' },
];

/** `name` says nothing without `needs`. */
type Companion = { readonly name: SettingName; readonly needs: SettingName };

export const companions: readonly Companion[] = [
  { name: 'tlsCert', needs: 'tlsKey' },
  { name: 'tlsKey', needs: 'tlsCert' },
  { name: 'tlsClientCa', needs: 'tlsCert' },
];

export function flagOf(name: SettingName): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

export function environmentOf(name: SettingName): string {
  return `ZEROTH_${name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}
