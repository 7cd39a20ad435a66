// `zeroth models`: what is loaded, and the files that are to be.
import type { Parameter, TensorSpec } from '../../proto/gen/zeroth/v1/common.ts';
import type { Model } from '../../proto/gen/zeroth/v1/model_service.ts';
import { command } from './command.ts';
import { text, toggle } from './flags.ts';
import { fullName } from './names.ts';
import { bytes, columns, counted, facts, print, printJson, whole } from './output.ts';
import { connection, withServer } from './server/connection.ts';
import { dataType, modelView, shapeOf, sizeOf, weightsOf } from './views.ts';

const Server = connection;

const list = command({
  usage: 'models',
  does: 'the models that a server has loaded',
  flags: { Server },
  run: ({ flags }, context) =>
    withServer({ flags, context }, async (zeroth) => {
      const [{ devices, version }, models] = [
        await zeroth.info(),
        await Array.fromAsync(zeroth.models.list()),
      ];
      if (context.isJson) return printJson({ version, devices, models: models.map(modelView) });
      const where = `zeroth ${version}, computing on ${devices.join(', ')}`;
      if (models.length === 0)
        return print(
          `no model is loaded (${where})\nzeroth models load FILE loads one of the server's model directory`,
        );
      const head = ['name', 'file', 'weights', 'trainable', 'size', 'inputs'];
      print(columns(head, models.map(rowOf), ['weights', 'trainable', 'size']));
      print(`\n${counted(models.length, 'model')} (${where})`);
    }),
});

function rowOf({ name, path, parameters, inputs }: Model): string[] {
  const trainable = parameters.filter((each) => each.trainable);
  return [
    name,
    path,
    whole(weightsOf(parameters)),
    whole(weightsOf(trainable)),
    bytes(sizeOf(parameters)),
    inputs.map((each) => each.name).join(', '),
  ];
}

const load = command({
  usage: 'models load <FILE>',
  does: "load a file of the server's model directory; it stays loaded over restarts",
  fields: { path: 'FILE', model_id: '--id' },
  flags: { Model: { id: text('ID', "its id; default: the file's name without its ending") }, Server },
  run: ({ args: [file], flags }, context) =>
    withServer({ flags, context }, async (zeroth) => {
      const model = await zeroth.models.load(file, { modelId: flags.id ?? '' });
      if (context.isJson) return printJson(modelView(model));
      const { name, parameters } = model;
      print(`${name}: ${counted(weightsOf(parameters), 'weight')}, ${bytes(sizeOf(parameters))}`);
    }),
});

const unload = command({
  usage: 'models unload <NAME>',
  does: 'unload a model; the journals of its runs stay',
  flags: { Model: { force: toggle('even while it has runs, which sleep until it is loaded again') }, Server },
  run: ({ args: [given], flags }, context) =>
    withServer({ flags, context }, async (zeroth) => {
      const name = fullName('models', given);
      await zeroth.models.unload(name, { force: flags.force });
      if (context.isJson) return printJson({ name, isLoaded: false });
      print(`${name} is unloaded`);
    }),
});

const show = command({
  usage: 'models show <NAME>',
  does: 'a model with its inputs, outputs and parameters',
  flags: { Server },
  run: ({ args: [given], flags }, context) =>
    withServer({ flags, context }, async (zeroth) => {
      const model = await zeroth.models.get(fullName('models', given));
      return context.isJson ? printJson(modelView(model)) : print(describe(model));
    }),
});

function describe({ name, path, sha256, inputs, outputs, parameters }: Model): string {
  const about = facts([
    ['model', name],
    ['file', path],
    ['SHA-256', sha256],
    ['weights', `${whole(weightsOf(parameters))}, ${bytes(sizeOf(parameters))}`],
  ]);
  const tensors = columns(
    ['tensor', 'type', 'shape'],
    [...inputs.map((each) => specRow('input', each)), ...outputs.map((each) => specRow('output', each))],
  );
  return `${about}\n\n${tensors}\n\n${parameterTable(parameters)}`;
}

function specRow(what: string, { name, dataType: type, shape }: TensorSpec): string[] {
  return [`${what} ${name}`, dataType(type), shapeOf(shape)];
}

/** Of a run all are trained, so that nothing is said of it. */
export function parameterTable(parameters: readonly Parameter[], isOfRun = false): string {
  const head = ['parameter', 'type', 'shape', 'size', ...(isOfRun ? [] : ['trainable'])];
  const rows = parameters.map(({ name, alias, dataType: type, shape, bytes: size, trainable }) => [
    // What an exporter made up says nothing; either selects the tensor.
    alias || name,
    dataType(type),
    shapeOf(shape),
    bytes(Number(size)),
    ...(isOfRun ? [] : [trainable ? 'yes' : 'no']),
  ]);
  return columns(head, rows, ['size']);
}

export const modelCommands = [list, load, unload, show];
