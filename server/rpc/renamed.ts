import { ZerothError } from '../errors.ts';

/** An error about a field of the domain as one about a field of the request: its message begins with the name. */
export function renamed(error: unknown, toField: (field: string) => string): unknown {
  if (!(error instanceof ZerothError) || error.details.field === undefined) return error;
  const { kind, message, details } = error;
  const { field: name = '' } = details;
  const field = toField(name);
  return new ZerothError(kind, `${field}${message.slice(name.length)}`, { ...details, field }, error);
}
