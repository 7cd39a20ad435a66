// WebGPU for tests: a graphics card's, or SwiftShader's, which Debian's chromium package has.
import { existsSync } from 'node:fs';
import { CApiRuntime } from '../../server/runtime/capi/capi.ts';

const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

// Where the loader of Vulkan looks for adapters, in this process and those that it starts.
if (existsSync(SWIFTSHADER)) process.env.VK_ICD_FILENAMES ??= SWIFTSHADER;

/** Why there is none, for those who wonder what was skipped; undefined where there is one. */
export const whyNoWebgpu: string | undefined = tried();

function tried(): string | undefined {
  try {
    CApiRuntime.open({ device: 'webgpu', threads: 1 }).close();
    return undefined;
  } catch (error) {
    const reason = error instanceof Error ? error.message.split('\n')[0] : String(error);
    console.warn(
      `skipped: what needs WebGPU (${reason}); apt-get install chromium libvulkan1 brings SwiftShader`,
    );
    return reason;
  }
}
