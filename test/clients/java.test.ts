import { keepsConformance } from './conformance.ts';
import { prepare } from './toolchain.ts';

const cwd = 'examples/java';

keepsConformance({
  name: 'Java',
  command: (folder) => ['java', '-jar', `${folder}/mezo-svrg.jar`],
  prepare: () =>
    prepare({
      name: 'java',
      programs: ['javac', 'mvn'],
      inputs: [
        'examples/java/{pom.xml,.mvn/jvm.config}',
        'examples/java/src/**/*.java',
        'proto/zeroth/**/*.proto',
      ],
      steps: [
        // Everything but the compiler's work, so that all there is to fetch has been fetched.
        { kind: 'fetch', command: ['mvn', '-B', '-q', 'package', '-Dmaven.main.skip'], cwd },
        { kind: 'build', command: ['mvn', '-B', '-q', '-o', 'package'], cwd },
        { kind: 'build', command: ['cp', '-r', 'target/mezo-svrg.jar', 'target/lib', '{folder}'], cwd },
      ],
    }),
});
