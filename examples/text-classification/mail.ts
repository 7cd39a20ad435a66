// What a person would read of an e-mail: its subject and the text of its body. Other headers tell spam from ham too well: which
// machine collected a message, and when.

/** "Subject\nbody", in one line each. */
export function textOf(mail: string): string {
  const { headers, body } = partsOf(mail.replaceAll('\r\n', '\n'));
  return `${plain(headers.get('subject') ?? '')}\n${plain(readable(headers, body))}`;
}

type Headers = ReadonlyMap<string, string>;

function partsOf(part: string): { readonly headers: Headers; readonly body: string } {
  const end = part.indexOf('\n\n');
  const [head, body] = end === -1 ? [part, ''] : [part.slice(0, end), part.slice(end + 2)];
  const fields = head.replaceAll(/\n[ \t]+/g, ' ').matchAll(/^([\w-]+):[ \t]*(.*)$/gm);
  const headers = new Map<string, string>();
  for (const [, name, value] of fields)
    if (!headers.has(name.toLowerCase())) headers.set(name.toLowerCase(), value);
  return { headers, body };
}

/** Of several parts the first that is plain text, or else the first that is text at all. */
function readable(headers: Headers, body: string): string {
  const type = headers.get('content-type') ?? 'text/plain';
  const boundary = /^multipart\/.*boundary="?([^";\s]+)/i.exec(type)?.[1];
  if (boundary !== undefined) {
    const parts = body
      .split(`--${boundary}`)
      .slice(1)
      .map((part) => partsOf(part.replace(/^[ \t]*\n/, '')));
    const of = (kind: RegExp) =>
      parts.find((part) => kind.test(part.headers.get('content-type') ?? 'text/plain'));
    const part = of(/^text\/plain/i) ?? of(/^(text|multipart)\//i);
    return part === undefined ? '' : readable(part.headers, part.body);
  }
  if (!/^text\//i.test(type)) return '';
  const text = decoded(body, (headers.get('content-transfer-encoding') ?? '').trim().toLowerCase());
  return /^text\/html/i.test(type) || /<html/i.test(text) ? withoutTags(text) : text;
}

function decoded(body: string, encoding: string): string {
  if (encoding === 'base64') return Buffer.from(body, 'base64').toString('latin1');
  if (encoding !== 'quoted-printable') return body;
  const joined = body.replaceAll(/=[ \t]*\n/g, '');
  return joined.replaceAll(/=([0-9A-F]{2})/gi, (_, code: string) =>
    String.fromCharCode(Number.parseInt(code, 16)),
  );
}

const ENTITIES: Readonly<Record<string, string>> = { nbsp: ' ', amp: '&', lt: '<', gt: '>', quot: '"' };

function withoutTags(html: string): string {
  return html
    .replaceAll(/<!--.*?-->|<(style|script|title)\b.*?<\/\1>|<[^>]*>/gis, ' ')
    .replaceAll(/&(\w+);/g, (entity, name: string) => ENTITIES[name.toLowerCase()] ?? entity);
}

function plain(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}
