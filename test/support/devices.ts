// Devices for tests: WebGPU of a graphics card, or SwiftShader's, which Debian's chromium package has; and CUDA where it is installed.
import { existsSync } from 'node:fs';
import { CApiRuntime } from '../../server/runtime/capi/capi.ts';
import type { DeviceName } from '../../server/runtime/runtime.ts';

const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

// Where the loader of Vulkan looks for adapters, in this process and those that it starts.
if (existsSync(SWIFTSHADER)) process.env.VK_ICD_FILENAMES ??= SWIFTSHADER;

/** Why there is none, for those who wonder what was skipped; undefined where there is one. */
export const whyNoWebgpu: string | undefined = tried('webgpu');

if (whyNoWebgpu !== undefined)
  console.warn(
    `skipped: what needs WebGPU (${whyNoWebgpu}); apt-get install chromium libvulkan1 brings SwiftShader`,
  );

/** The CPU, whose provider takes the calls that CUDA gets, and what there is beside it. */
export const devices: readonly DeviceName[] = [
  'cpu',
  ...(whyNoWebgpu === undefined ? (['webgpu'] as const) : []),
  ...(tried('cuda') === undefined ? (['cuda'] as const) : []),
];

function tried(device: DeviceName): string | undefined {
  try {
    CApiRuntime.open({ device, threads: 1 }).close();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.split('\n')[0] : String(error);
  }
}
