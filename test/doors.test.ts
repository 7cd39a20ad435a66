// The invariants of ARCHITECTURE.md that are absences: who may import what.
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { describe, expect, test } from 'vitest';

type Import = { readonly from: string; readonly to: string };

const files = globSync('{server,client,examples,bench}/**/*.ts').filter(
  (file) => !file.includes('/assembly/') && !file.endsWith('.d.ts'),
);

const imports: Import[] = files.flatMap((file) =>
  [...readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(([, target]) => ({
    from: file,
    to: target.startsWith('.') ? normalize(join(dirname(file), target)) : target,
  })),
);

/** Imports from `from` to `to`, but for those that are allowed. */
function through(from: RegExp, to: RegExp, allowed: RegExp = /^$/): string[] {
  return imports
    .filter((each) => from.test(each.from) && to.test(each.to) && !allowed.test(each.from))
    .map((each) => `${each.from} -> ${each.to}`);
}

/** From the lowest: what is not in one of them is above all. */
const studyRooms = [
  'space/',
  'optimizers/common/',
  'optimizers/baseline/',
  'optimizers/cma-es/distribution/',
  'optimizers/cma-es/course/',
  'optimizers/cma-es/uncertainty/',
  'optimizers/cma-es/',
  'optimizers/',
  'plan/',
  'trials/',
  'portable/',
];

/** Imports within `folder` from a room to one that stands behind it in the list. */
function upwards(folder: string, rooms: readonly string[]): string[] {
  const floorOf = (file: string) => {
    const floor = rooms.findIndex((room) => file.startsWith(folder + room));
    return floor === -1 ? rooms.length : floor;
  };
  return imports
    .filter(({ from, to }) => from.startsWith(folder) && to.startsWith(folder) && floorOf(to) > floorOf(from))
    .map(({ from, to }) => `${from} -> ${to}`);
}

const doors: readonly (readonly [string, string[]])[] = [
  [
    'strategy and shift import nothing but each other, the noise reference nothing but errors and crypto',
    [
      ...through(/^server\/strategy\//, /^(?!server\/(strategy\/|shift\.ts|errors\.ts))/),
      ...through(/^server\/shift\.ts/, /./),
      ...through(
        /^server\/noise\//,
        /^(?!server\/(noise\/|errors\.ts|shift\.ts|weights\/weights\.ts)|node:crypto)/,
      ),
    ],
  ],
  [
    'what rooms share imports nothing but each other and crypto',
    through(
      /^server\/(shift|tensor|errors|names|text|packed-shifts|waiters)\.ts$/,
      /^(?!server\/(shift|tensor|errors|names|text|packed-shifts|waiters)\.ts$|node:crypto$)/,
    ),
  ],
  [
    'on the server rpc alone imports messages',
    through(/^server\//, /^proto\/gen\/(zeroth|google|grpc)/, /^server\/rpc\//),
  ],
  ['on the server rpc alone imports grpc', through(/^server\//, /^(@grpc\/|grpc-)/, /^server\/rpc\//)],
  [
    'model and onnx alone know ONNX graphs',
    through(/^server\//, /^proto\/gen\/onnx/, /^server\/(model|onnx)\//),
  ],
  [
    'in model each folder builds on those before it: graph, objective, batch, and then adapter and forward',
    [
      ...through(/^server\/model\/graph\//, /^server\/model\/(?!graph\/)/),
      ...through(/^server\/model\/objective\//, /^server\/model\/(?!graph\/|objective\/)/),
      ...through(/^server\/model\/batch\//, /^server\/model\/(?!graph\/|objective\/|batch\/)/),
      ...through(/^server\/model\/adapter\//, /^server\/model\/forward\//),
      ...through(/^server\/model\/forward\//, /^server\/model\/adapter\//),
    ],
  ],
  ['onnx imports no room', through(/^server\/onnx\//, /^server\/(?!onnx\/|tensor\.ts)/)],
  [
    'runtime alone imports ONNX Runtime, and koffi',
    through(/^server\//, /^(onnxruntime|koffi)/, /^server\/runtime\//),
  ],
  [
    'of the runtime other rooms know its interfaces and how one is opened',
    through(/^server\/(?!runtime\/)/, /^server\/runtime\/(?!(runtime|open|caller)\.ts)/),
  ],
  [
    'runtime knows no weights, models or runs',
    through(/^server\/runtime\//, /^server\/(?!runtime\/|onnx\/|errors\.ts|tensor\.ts)/),
  ],
  ['journal alone imports SQLite', through(/^(server|client)\//, /^node:sqlite$/, /^server\/journal\//)],
  ['kernel alone knows the compiled kernel', through(/^server\//, /kernel\.wasm/, /^server\/kernel\//)],
  ['the server never imports the client', through(/^server\//, /^client\//)],
  [
    'of the server the client imports strategies, shifts, noise and errors; its command and zeroth/local start a server',
    through(
      /^client\//,
      /^server\/(?!strategy\/|noise\/|shift\.ts|errors\.ts|version\.ts)/,
      /^client\/(zeroth|local|local-channel)\.ts$/,
    ),
  ],
  [
    'the command and zeroth/local import nothing but main and apply of the server',
    through(
      /^client\/(zeroth|local|local-channel)\.ts$/,
      /^server\/(?!main\.ts|apply\.ts|version\.ts|errors\.ts)/,
    ),
  ],
  [
    'nothing of the client imports zeroth/local',
    through(/^client\//, /^client\/local(-channel)?\.ts$/, /^client\/local\.ts$/),
  ],
  [
    'training asks runs, and knows no wire, model or weight',
    through(/^server\/training\//, /^server\/(rpc|model|weights|kernel|noise|onnx|runtime)\//),
  ],
  [
    'optimizers of studies and search spaces are pure: errors, what strategies share, and eigenvalues',
    through(
      /^server\/study\/(space|optimizers)\//,
      /^(?!server\/(study\/|errors\.ts|strategy\/(fields|seeds|options|state)\.ts)|ml-matrix$)/,
    ),
  ],
  ['in a study each room imports those below it alone', upwards('server/study/', studyRooms)],
  [
    'eigen alone imports ml-matrix',
    through(/./, /^ml-matrix$/, /^server\/study\/optimizers\/cma-es\/distribution\/eigen\.ts$/),
  ],
  [
    'seed-vector alone knows the noise in the client',
    through(/^client\//, /^server\/noise\//, /^client\/seed-vector\.ts$/),
  ],
  [
    'studies know no wire, model, run or weight',
    through(
      /^server\/study\//,
      /^server\/(rpc|run|training|judge|model|weights|kernel|onnx|runtime|worker)\//,
    ),
  ],
  [
    'judge knows no wire, run or weight',
    through(/^server\/judge\//, /^server\/(rpc|run|training|journal|weights|kernel|noise|onnx|runtime)\//),
  ],
  [
    'strategies never see weights, models or runs',
    through(/^server\/strategy\//, /^server\/(weights|model|run|worker)\//),
  ],
];

describe('the doors between the rooms', () => {
  test('the scan finds files and imports', () => {
    expect(files.length).toBeGreaterThan(50);
    expect(imports).toContainEqual({ from: 'server/main.ts', to: 'server/config.ts' });
  });

  test.each(doors)('%s', (_, violations) => {
    expect(violations).toEqual([]);
  });
});
