// The strategies by name: a new one is a file, a line here, and a test.
import { mezo } from './mezo.ts';
import { mezoSvrg } from './mezo-svrg.ts';

const strategies = { mezo, 'mezo-svrg': mezoSvrg } as const;

export type StrategyName = keyof typeof strategies;

export const strategyNames = Object.keys(strategies) as readonly StrategyName[];
