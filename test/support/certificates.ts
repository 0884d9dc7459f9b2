/** A certificate authority of an hour and a certificate for localhost, made by openssl: for servers that speak TLS. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Certificates {
  readonly folder: string
  /** PEM texts; the files in the folder have these names. */
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/** Throws if there is no openssl. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'borescope-tls-'))
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  const keyOf = (name: string) => ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', name]
  openssl('req', '-x509', ...keyOf('ca.key'), '-out', 'ca.pem', '-subj', '/CN=Test CA', '-days', '1')
  openssl('req', ...keyOf('key.pem'), '-out', 'request.pem', '-subj', '/CN=localhost')
  writeFileSync(join(folder, 'extensions'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
  const ca = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial']
  openssl('x509', '-req', '-in', 'request.pem', ...ca, '-out', 'cert.pem', '-days', '1', '-extfile', 'extensions')
  const text = (name: string) => readFileSync(join(folder, name), 'utf8')
  return { folder, ca: text('ca.pem'), cert: text('cert.pem'), key: text('key.pem') }
}
