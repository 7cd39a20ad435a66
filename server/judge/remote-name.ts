/** The name of an objective that clients compute: "remote/judge". */
export const REMOTE = /^remote\/[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
