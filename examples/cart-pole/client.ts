// A process that learns to balance the pole together with whoever else works at the study: `npm exec -- node examples/cart-pole/client.ts ADDRESS STUDY`.
import { connect } from '../../client/client.ts';
import { SeedVector } from '../../client/seed-vector.ts';
import { meanSteps, STEPS_MAX, WEIGHTS } from './cart-pole.ts';

const EPISODES = 8;

const [address, study] = process.argv.slice(2);
await using zeroth = connect(address);
// Every client begins at the same weights; from there the study's updates keep them the same.
const vector = new SeedVector(new Float32Array(WEIGHTS).fill(0.1));
const score = (weights: Float32Array) => meanSteps(weights, EPISODES);
const told = await zeroth.studies.optimizeVector(study, vector, score, { count: 5 });
const [steps, revision] = [score(vector.values), String(vector.revision)];
console.log(JSON.stringify({ told, steps, stepsMax: STEPS_MAX, revision }));
