// A file of `--objective-dir` to an objective. A module is imported from its own folder, so that it finds what it imports, but with the bytes that
// were accepted: a file that has changed since, or is gone, is another matter.
import { registerHooks, stripTypeScriptTypes } from 'node:module';
import { pathToFileURL } from 'node:url';
import { ZerothError } from '../errors.ts';
import { thrown } from '../model/objective/foreign.ts';
import { graphObjective } from '../model/objective/graph-objective.ts';
import { moduleObjective } from '../model/objective/module-objective.ts';
import { withinModule } from '../model/objective/module-scope.ts';
import {
  type ObjectiveFile,
  type OperatorObjective,
  objectiveFailure,
} from '../model/objective/operator-objective.ts';
import { importedWithin, notImported, START_MS } from './import-deadline.ts';

/** Of modules that are being imported, by the address that they are imported as. */
const sources = new Map<string, Uint8Array>();
let areHooked = false;
/** What Node.js needs for the first one is there. */
let hasImported = false;

/**
 * Modules are never forgotten by a thread, so one is imported once for each content it has had.
 * @param msMax How long the import of a module may take, and each call of it; 0 is as long as it likes.
 * @throws ZerothError objective-failed saying why the file is no objective.
 */
export async function loadObjective(file: ObjectiveFile, msMax: number): Promise<OperatorObjective> {
  if (file.path.endsWith('.onnx')) return graphObjective(file);
  const fail = objectiveFailure(file);
  hook();
  const url = `${pathToFileURL(file.path).href}?sha256=${file.sha256}`;
  sources.set(url, file.bytes);
  let module: { readonly default?: unknown };
  try {
    const bound = msMax === 0 || hasImported ? msMax : START_MS + msMax;
    const importing = withinModule(file.name, () => import(url));
    module = await importedWithin(bound, importing, () => fail(notImported(msMax)));
    hasImported = true;
  } catch (error) {
    if (error instanceof ZerothError) throw error;
    const told = thrown(error, file);
    const isPlaced = !(error instanceof SyntaxError) || /line \d+\)$/.test(told);
    throw fail(`it cannot be imported: ${told}${isPlaced ? '' : whereItIsWrong(file)}`, error);
  } finally {
    sources.delete(url);
  }
  if (!('default' in module)) {
    const others = Object.keys(module).map((name) => `"${name}"`);
    const got = others.length === 0 ? 'none' : `none, but ${others.join(', ')}`;
    throw fail(`its default export: expected an objective (docs/objectives.md), got ${got}`);
  }
  return moduleObjective(module.default, file, msMax);
}

/** Node.js does not say where JavaScript cannot be parsed; its parser of TypeScript does, and knows what has types. */
function whereItIsWrong({ path, bytes }: ObjectiveFile): string {
  const source = new TextDecoder().decode(bytes);
  try {
    const hasTypes = stripTypeScriptTypes(source) !== source && !path.endsWith('.ts');
    return hasTypes
      ? '; it has types, which take a name that ends in .ts'
      : ', perhaps in a file that it imports';
  } catch (parsed) {
    const line = String((parsed as Error).stack).match(/^.*:(\d+)\n/)?.[1];
    return line === undefined ? '' : ` (line ${line})`;
  }
}

function hook(): void {
  if (areHooked) return;
  areHooked = true;
  registerHooks({
    // As it is: Node.js would follow a link, and read what it leads to.
    resolve: (specifier, context, next) =>
      sources.has(specifier) ? { url: specifier, shortCircuit: true } : next(specifier, context),
    load(url, context, next) {
      const source = sources.get(url);
      if (source === undefined) return next(url, context);
      const isTyped = new URL(url).pathname.endsWith('.ts');
      return { format: isTyped ? 'module-typescript' : 'module', source, shortCircuit: true };
    },
  });
}
