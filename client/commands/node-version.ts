// The Node.js that runs the command: the package asks for one, and npm only warns where it is another.
import { CommandError } from './failure.ts';

/** As package.json has it in `engines`. */
export const NODE_MAJOR_MIN = 24;

/** @throws CommandError where it is too old, before something that it does not have is missed. */
export function checkNode(version: string): void {
  if (Number.parseInt(version, 10) >= NODE_MAJOR_MIN) return;
  throw new CommandError({
    code: 'FAILED_PRECONDITION',
    reason: 'NODE_TOO_OLD',
    message: `Node.js: expected ${NODE_MAJOR_MIN} or newer, got ${version}`,
    next: `npm install node@${NODE_MAJOR_MIN}, in the folder that has zeroth, gives it one of its own; npx zeroth runs by that`,
  });
}
