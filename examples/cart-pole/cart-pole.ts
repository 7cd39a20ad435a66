// A pole on a cart that a small network keeps upright (Barto, Sutton and Anderson 1983; constants and Euler steps as OpenAI Gym's
// CartPole-v1 has them).

const GRAVITY = 9.8;
const CART_MASS = 1;
const POLE_MASS = 0.1;
const TOTAL_MASS = CART_MASS + POLE_MASS;
/** Half of the pole, in metres. */
const HALF_LENGTH = 0.5;
const FORCE = 10;
const SECONDS_PER_STEP = 0.02;
const POSITION_MAX = 2.4;
const ANGLE_MAX = (12 * Math.PI) / 180;

/** Steps of an episode; one that lasts as long is solved. */
export const STEPS_MAX = 500;

const INPUTS = 4;
const HIDDEN = 8;
/** Of the controller: tanh(W x + b), and a weight for each of those. */
export const WEIGHTS = HIDDEN * (INPUTS + 2);

type State = readonly [position: number, velocity: number, angle: number, angularVelocity: number];

/** Steps until the pole has fallen or the cart has left the track, on average over so many starts. */
export function meanSteps(weights: ArrayLike<number>, episodes: number): number {
  let steps = 0;
  for (let episode = 0; episode < episodes; episode++) steps += episodeSteps(weights, episode);
  return steps / episodes;
}

function episodeSteps(weights: ArrayLike<number>, episode: number): number {
  let state: State = startOf(episode);
  for (let step = 0; step < STEPS_MAX; step++) {
    if (Math.abs(state[0]) > POSITION_MAX || Math.abs(state[2]) > ANGLE_MAX) return step;
    state = next(state, pushesRight(weights, state) ? FORCE : -FORCE);
  }
  return STEPS_MAX;
}

/** The same for everybody: within 0.05 of rest. */
function startOf(episode: number): State {
  const at = (i: number) => 0.05 * Math.sin(1 + 7 * episode + 3 * i);
  return [at(0), at(1), at(2), at(3)];
}

function next([x, v, angle, spin]: State, force: number): State {
  const [sine, cosine] = [Math.sin(angle), Math.cos(angle)];
  const push = (force + POLE_MASS * HALF_LENGTH * spin * spin * sine) / TOTAL_MASS;
  const inertia = HALF_LENGTH * (4 / 3 - (POLE_MASS * cosine * cosine) / TOTAL_MASS);
  const angular = (GRAVITY * sine - cosine * push) / inertia;
  const linear = push - (POLE_MASS * HALF_LENGTH * angular * cosine) / TOTAL_MASS;
  const t = SECONDS_PER_STEP;
  return [x + t * v, v + t * linear, angle + t * spin, spin + t * angular];
}

function pushesRight(weights: ArrayLike<number>, state: State): boolean {
  let sum = 0;
  for (let unit = 0; unit < HIDDEN; unit++) {
    const first = unit * (INPUTS + 2);
    let x = weights[first + INPUTS];
    for (let i = 0; i < INPUTS; i++) x += weights[first + i] * state[i];
    sum += weights[first + INPUTS + 1] * Math.tanh(x);
  }
  return sum > 0;
}
