// Certificates for tests, made on the spot: no binary, no library, no private key in the repository, and nothing that expires. As much
// of X.509 (RFC 5280) as TLS asks for, in DER.
import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

export type Pair = { readonly cert: string; readonly key: string };

/** A root that vouches for whom it likes. */
export class Authority {
  readonly #keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  readonly #name: string;
  readonly cert: string;

  constructor(name = 'zeroth test root') {
    this.#name = name;
    this.cert = certificate(
      { subject: name, publicKey: this.#keys.publicKey, extensions: [IS_AUTHORITY] },
      this,
    );
  }

  /** For 127.0.0.1 and localhost, and for clients. */
  issue(subject = 'localhost'): Pair {
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const cert = certificate({ subject, publicKey, extensions: [ON_LOOPBACK] }, this);
    return { cert, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
  }

  get name(): string {
    return this.#name;
  }

  sign(bytes: Buffer): Buffer {
    return sign('sha256', bytes, this.#keys.privateKey);
  }
}

type Content = {
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly extensions: readonly Buffer[];
};

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const OBJECT_ID = 0x06;
const UTF8 = 0x0c;
const GENERALIZED_TIME = 0x18;
const context = (number: number) => 0xa0 + number;

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), content]);
  return Buffer.concat([Buffer.of(tag, 0x82, length >> 8, length & 0xff), content]);
}

const objectId = (hex: string) => der(OBJECT_ID, Buffer.from(hex, 'hex'));
const ecdsaWithSha256 = der(SEQUENCE, objectId('2a8648ce3d040302'));
const nameOf = (text: string) =>
  der(SEQUENCE, der(SET, der(SEQUENCE, objectId('550403'), der(UTF8, Buffer.from(text)))));
const extension = (id: string, value: Buffer) => der(SEQUENCE, objectId(id), der(OCTET_STRING, value));

/** basicConstraints: cA TRUE. */
const IS_AUTHORITY = extension('551d13', der(SEQUENCE, Buffer.of(0x01, 0x01, 0xff)));
/** subjectAltName: a dNSName and an iPAddress. */
const ON_LOOPBACK = extension(
  '551d11',
  der(SEQUENCE, der(0x82, Buffer.from('localhost')), der(0x87, Buffer.of(127, 0, 0, 1))),
);

function certificate({ subject, publicKey, extensions }: Content, authority: Authority): string {
  const times = ['20200101000000Z', '99991231235959Z'].map((time) =>
    der(GENERALIZED_TIME, Buffer.from(time)),
  );
  const serial = Buffer.concat([Buffer.of(1), randomBytes(8)]);
  const body = der(
    SEQUENCE,
    der(context(0), der(INTEGER, Buffer.of(2))),
    der(INTEGER, serial),
    ecdsaWithSha256,
    nameOf(authority.name),
    der(SEQUENCE, ...times),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(context(3), der(SEQUENCE, ...extensions)),
  );
  const signature = der(BIT_STRING, Buffer.of(0), authority.sign(body));
  const whole = der(SEQUENCE, body, ecdsaWithSha256, signature).toString('base64');
  return `-----BEGIN CERTIFICATE-----\n${whole.replace(/.{64}/g, '$&\n')}\n-----END CERTIFICATE-----\n`;
}
