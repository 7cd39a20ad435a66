// Reflection v1 and v1alpha over the raw descriptors that buf builds: grpcurl and buf curl need no
// .proto files. (@grpc/reflection 1.0.4 returned inconsistent descriptors, and buf curl failed.)
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import { type Server, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { descriptorsBase64 } from '../../proto/gen/descriptors.ts';
import {
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionService as V1,
} from '../../proto/gen/grpc/reflection/v1/reflection.ts';
import { ServerReflectionService as V1Alpha } from '../../proto/gen/grpc/reflection/v1alpha/reflection.ts';
import type { Access } from './access.ts';
import { toServiceError } from './status.ts';

type Answer = NonNullable<ServerReflectionResponse['messageResponse']>;

type Descriptors = {
  readonly services: readonly string[];
  /** By file name. */
  readonly files: ReadonlyMap<string, FileDescriptorProto>;
  /** From every message, enum, service and method to its file. */
  readonly fileOfSymbol: ReadonlyMap<string, string>;
};

/** The two versions have the same messages. What calls there are is told to whom may make them. */
export function addReflection(server: Server, strangerBecause: Access['strangerBecause']): void {
  const descriptors = readDescriptors();
  const serverReflectionInfo = (
    call: ServerDuplexStream<ServerReflectionRequest, ServerReflectionResponse>,
  ) => {
    const refusal = strangerBecause?.(call.metadata);
    if (refusal !== undefined) return void call.emit('error', toServiceError(refusal));
    call.on('data', (request: ServerReflectionRequest) =>
      call.write({
        validHost: request.host,
        originalRequest: request,
        messageResponse: answer(request.messageRequest, descriptors),
      }),
    );
    call.on('end', () => call.end());
    return undefined;
  };
  server.addService(V1, { serverReflectionInfo });
  server.addService(V1Alpha, { serverReflectionInfo });
}

function answer(request: ServerReflectionRequest['messageRequest'], descriptors: Descriptors): Answer {
  switch (request?.$case) {
    case 'listServices':
      return {
        $case: 'listServicesResponse',
        value: { service: descriptors.services.map((name) => ({ name })) },
      };
    case 'fileByFilename':
      return files(request.value, descriptors);
    case 'fileContainingSymbol':
      return files(descriptors.fileOfSymbol.get(request.value), descriptors);
    case 'allExtensionNumbersOfType':
      return {
        $case: 'allExtensionNumbersResponse',
        value: { baseTypeName: request.value, extensionNumber: [] },
      };
    default:
      return notFound('no such extension');
  }
}

/** A file after everything it imports. */
function files(name: string | undefined, { files: all }: Descriptors): Answer {
  if (name === undefined || !all.has(name)) return notFound('no such symbol or file');
  const found = new Map<string, FileDescriptorProto>();
  const visit = (each: string) => {
    const file = all.get(each);
    if (file === undefined || found.has(each)) return;
    file.dependency.forEach(visit);
    found.set(each, file);
  };
  visit(name);
  const wire = [...found.values()]
    .reverse()
    .map((file) => Buffer.from(toBinary(FileDescriptorProtoSchema, file)));
  return { $case: 'fileDescriptorResponse', value: { fileDescriptorProto: wire } };
}

function notFound(errorMessage: string): Answer {
  return { $case: 'errorResponse', value: { errorCode: status.NOT_FOUND, errorMessage } };
}

function readDescriptors(): Descriptors {
  const { file } = fromBinary(FileDescriptorSetSchema, Buffer.from(descriptorsBase64, 'base64'));
  const fileOfSymbol = new Map<string, string>();
  const services: string[] = [];
  for (const each of file) {
    const note = (symbol: string) => fileOfSymbol.set(symbol, each.name);
    for (const service of each.service) {
      const name = `${each.package}.${service.name}`;
      services.push(name);
      for (const symbol of [name, ...service.method.map((method) => `${name}.${method.name}`)]) note(symbol);
    }
    for (const type of [...each.enumType, ...each.messageType]) noteType(each.package, type, note);
  }
  return { services, files: new Map(file.map((each) => [each.name, each])), fileOfSymbol };
}

function noteType(
  scope: string,
  type: { name: string; nestedType?: DescriptorProto[]; enumType?: { name: string }[] },
  note: (symbol: string) => void,
): void {
  const name = `${scope}.${type.name}`;
  note(name);
  for (const nested of [...(type.nestedType ?? []), ...(type.enumType ?? [])]) noteType(name, nested, note);
}
