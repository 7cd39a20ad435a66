// What the wire does to a message, without its bytes.

/**
 * A message as its receiver would have decoded it: nothing of it is shared with the sender's, text is well-formed, and
 * -0 in a field is 0, since fields that are 0 are not sent; a journal's digest knows the one from the other. (In a list
 * it is sent, and keeps its sign. So it would in an optional field, and here it does not.)
 */
export function copied<Message>(message: Message): Message {
  return copy(message) as Message;
}

function copy(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copy);
  // An ArrayBuffer of its own: one of Node.js's pool would be cloned whole on the way to a worker.
  if (value instanceof Uint8Array) return Buffer.from(new Uint8Array(value).buffer);
  if (value instanceof Date) return new Date(value);
  return copyFields(value as Readonly<Record<string, unknown>>);
}

function copyFields(fields: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const result: Record<string, unknown> = {};
  for (const name in fields) {
    const value = fields[name];
    result[name] = typeof value === 'number' ? value + 0 : copy(value);
  }
  return result;
}
