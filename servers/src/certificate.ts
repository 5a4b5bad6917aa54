/** A self-signed certificate for the servers of this machine. Node.js reads certificates but makes none: openssl does. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onPath, ServerMissingError } from './on-path.js';

export interface Certificate {
  /** PEM; also what a client has to trust. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
}

/** For localhost, 127.0.0.1 and ::1; valid for two days. @throws ServerMissingError where there is no openssl. */
export function createCertificate(): Certificate {
  const openssl = onPath('openssl');
  if (openssl === undefined) throw new ServerMissingError('a server with TLS needs openssl on the PATH');
  const folder = mkdtempSync(join(tmpdir(), 'stockpile-'));
  try {
    const [keyPath, certPath] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyPath];
    const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1'];
    const { status, stderr } = spawnSync(openssl, ['req', '-x509', ...key, ...names, '-days', '2', '-out', certPath], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`openssl made no certificate: ${stderr}`);
    return { cert: readFileSync(certPath, 'utf8'), key: readFileSync(keyPath, 'utf8') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
