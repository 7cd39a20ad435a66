// What a client's install does without, and what is said where it is missed; test/system/client-install.test.ts has a real one.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { checkNode, NODE_MAJOR_MIN } from '../../client/commands/node-version.ts';
import { checkServerPackages, SERVER_PACKAGES } from '../../client/server-packages.ts';

const manifest = JSON.parse(readFileSync('package.json', 'utf8'));

const messageOf = (work: () => void): unknown => {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
};

describe('what a server computes with', () => {
  test('is named in the versions that are tested here, and asked of nobody who installs the package', () => {
    expect(manifest.devDependencies).toMatchObject(SERVER_PACKAGES);
    for (const name of Object.keys(SERVER_PACKAGES)) {
      expect(manifest.dependencies).not.toHaveProperty(name);
      expect(manifest.peerDependencies).toHaveProperty(name);
      expect(manifest.peerDependenciesMeta[name]).toEqual({ optional: true });
    }
  });

  test('is in docs/typescript-client.md as it is asked for, with a Node.js of every platform', () => {
    const page = readFileSync('docs/typescript-client.md', 'utf8');
    const { message } = messageOf(() => checkServerPackages(() => false)) as Error;
    expect(page).toContain(/npm install .*/.exec(message)![0]);
    const { optionalDependencies } = JSON.parse(readFileSync('scripts/node/package.json', 'utf8'));
    expect(Object.keys(optionalDependencies).length).toBeGreaterThan(1);
    for (const each of Object.entries<string>(optionalDependencies)) expect(page).toContain(each.join('@'));
  });

  test('is here', () => {
    expect(checkServerPackages).not.toThrow();
  });

  test.each([
    [[], 'koffi, onnxruntime-node', 'koffi@3.3.4 onnxruntime-node@1.30.0'],
    [['koffi'], 'onnxruntime-node', 'onnxruntime-node@1.30.0'],
  ])('where there is %j of it, is told of with how it is installed', (installed, names, specs) => {
    const check = () => checkServerPackages((name) => (installed as string[]).includes(name));
    expect(messageOf(check)).toMatchObject({
      kind: 'unimplemented',
      message: `${names}: expected what a server computes with, got no such package; install it with npm install --ignore-scripts ${specs}`,
    });
  });
});

describe('the Node.js of the command', () => {
  test('has to be that of package.json', () => {
    expect(manifest.engines.node).toBe(`>=${NODE_MAJOR_MIN}`);
    for (const version of ['24.0.0', '24.21.0', '100.1.0']) expect(() => checkNode(version)).not.toThrow();
  });

  test('is told of where it is older', () => {
    expect(messageOf(() => checkNode('22.23.3'))).toMatchObject({
      failure: {
        exit: 1,
        reason: 'NODE_TOO_OLD',
        message: 'Node.js: expected 24 or newer, got 22.23.3',
        next: expect.stringMatching(/^npm install node@24, /),
      },
    });
  });
});
