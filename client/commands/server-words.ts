// What a server says, in the words of the command: its methods are commands, and fields of its requests are flags and arguments.

const commands: Readonly<Record<string, string>> = {
  LoadModel: 'zeroth models load',
  RollbackRun: 'zeroth rollback',
  ResumeTraining: 'zeroth resume',
  StopTraining: 'zeroth stop',
  'set force': 'set --force',
};

const CALLED = new RegExp(`\\b(${Object.keys(commands).join('|')})\\b`, 'g');

export function inCommandsWords(message: string): string {
  return message.replace(CALLED, (called) => commands[called]);
}

/** By the field of a request: `run_id` is `--id` of fork. */
export type Fields = Readonly<Record<string, string>>;

/** `--id: expected ...` for `run_id: expected ...`. */
export function namingField(message: string, fields: Fields): string {
  return message.replace(/^[\w.[\]]+(?=: expected)/, (field) =>
    Object.hasOwn(fields, field) ? fields[field] : field,
  );
}
