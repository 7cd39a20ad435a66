import { keepsConformance } from './conformance.ts';
import { prepare } from './toolchain.ts';

const cwd = 'examples/rust';

keepsConformance({
  name: 'Rust',
  command: (folder) => [`${folder}/target/debug/mezo-svrg`],
  prepare: () =>
    prepare({
      name: 'rust',
      programs: ['cargo'],
      inputs: [
        'examples/rust/{build.rs,Cargo.toml,Cargo.lock}',
        'examples/rust/src/*.rs',
        'proto/zeroth/**/*.proto',
      ],
      steps: [
        { kind: 'fetch', command: ['cargo', 'fetch', '--locked'], cwd },
        {
          kind: 'build',
          command: ['cargo', 'build', '--locked', '--offline'],
          cwd,
          // A build that is made once: without what helps the next one, and debuggers, it is a sixth less work.
          env: {
            CARGO_TARGET_DIR: '{folder}/target',
            CARGO_INCREMENTAL: '0',
            CARGO_PROFILE_DEV_DEBUG: 'false',
          },
        },
      ],
    }),
});
