// The part of WebAssembly that is used here. TypeScript has its types in the library of the
// browser only, with a thousand names that Node does not have.
declare namespace WebAssembly {
  class Memory {
    constructor(limits: { readonly initial: number; readonly maximum: number; readonly shared?: boolean });
    readonly buffer: ArrayBuffer | SharedArrayBuffer;
  }
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>);
  }
  class Instance {
    constructor(module: Module, imports: { readonly env: Readonly<Record<string, Memory | number>> });
    readonly exports: Readonly<Record<string, unknown>>;
  }
}
