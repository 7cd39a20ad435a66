import { keepsConformance } from './conformance.ts';
import { prepare } from './toolchain.ts';

const cwd = 'examples/go';

keepsConformance({
  name: 'Go',
  command: (folder) => [`${folder}/mezo-svrg`],
  prepare: () =>
    prepare({
      name: 'go',
      programs: ['go'],
      inputs: ['examples/go/{main.go,go.mod,go.sum,buf.gen.yaml}', 'proto/zeroth/**/*.proto'],
      steps: [
        { kind: 'fetch', command: ['go', 'mod', 'download'], cwd },
        { kind: 'build', command: ['go', 'generate'], cwd },
        { kind: 'build', command: ['go', 'build', '-o', '{folder}/mezo-svrg', '.'], cwd },
      ],
    }),
});
