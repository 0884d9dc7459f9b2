/** How a sink trusts its peer, and shows itself to it. */
import type { ConnectionOptions } from 'node:tls'
import { isIP } from 'node:net'

/** Contents of PEM files, not their names. */
export interface TlsOptions {
  /** Authorities to trust instead of those that come with Node.js. */
  readonly ca?: string | undefined
  /** Certificate and key of the client. */
  readonly cert?: string | undefined
  readonly key?: string | undefined
  /** The name that the certificate must have, if it is not the host's. */
  readonly serverName?: string | undefined
}

export function tlsOptions({ ca, cert, key, serverName }: TlsOptions, host: string): ConnectionOptions {
  const name = serverName ?? host
  return {
    minVersion: 'TLSv1.2',
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    // RFC 6066: an address is no server name.
    ...(isIP(name) === 0 ? { servername: name } : {}),
  }
}
