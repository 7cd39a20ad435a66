import { keepsConformance } from './conformance.ts';

keepsConformance({
  name: 'TypeScript',
  command: () => [process.execPath, 'examples/typescript/mezo-svrg.ts'],
  prepare: async () => ({ folder: '.' }),
});
