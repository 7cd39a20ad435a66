// A file of `--objective-dir` to an objective. A module is imported from its own folder, so that it finds what it imports, but with the bytes that
// were accepted: a file that has changed since, or is gone, is another matter.
import { registerHooks } from 'node:module';
import { pathToFileURL } from 'node:url';
import { graphObjective } from '../model/graph-objective.ts';
import { moduleObjective, thrown } from '../model/module-objective.ts';
import { withinModule } from '../model/module-scope.ts';
import { type ObjectiveFile, type OperatorObjective, objectiveFailure } from '../model/operator-objective.ts';

/** Of modules that are being imported, by the address that they are imported as. */
const sources = new Map<string, Uint8Array>();
let areHooked = false;

/**
 * Modules are never forgotten by a thread, so one is imported once for each content it has had.
 * @param msMax How long a call of a module may take.
 * @throws ZerothError objective-failed saying why the file is no objective.
 */
export async function loadObjective(file: ObjectiveFile, msMax: number): Promise<OperatorObjective> {
  if (file.path.endsWith('.onnx')) return graphObjective(file);
  hook();
  const url = `${pathToFileURL(file.path).href}?sha256=${file.sha256}`;
  sources.set(url, file.bytes);
  let module: { readonly default?: unknown };
  try {
    module = (await withinModule(file.name, () => import(url))) as typeof module;
  } catch (error) {
    throw objectiveFailure(file)(`it cannot be imported: ${thrown(error, file)}`, error);
  } finally {
    sources.delete(url);
  }
  return moduleObjective(module.default, file, msMax);
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
