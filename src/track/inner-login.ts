/**
 * One login, as SMB, DCE/RPC and LDAP carry it: the tokens of both directions put together, and what events say of it. NTLM
 * names the user in clear; Kerberos names the service, and the user only where the ticket was asked for.
 */
import type { SecurityBlob } from '../wire/security-blob.ts'
import type { InnerFlow } from './inner-protocol.ts'

export interface LoginFields {
  readonly 'user.effective.name'?: string | undefined
  readonly 'user.effective.domain'?: string | undefined
  readonly 'ntlm.version'?: string | undefined
  readonly 'ntlm.workstation'?: string | undefined
  readonly 'ntlm.server.name'?: string | undefined
  readonly 'ntlm.server.domain'?: string | undefined
  readonly 'ntlm.target_spn'?: string | undefined
  readonly 'ntlm.mic'?: boolean | undefined
  readonly 'kerberos.service'?: string | undefined
  readonly 'kerberos.realm'?: string | undefined
  readonly 'kerberos.ticket.etype'?: string | undefined
}

/** Who acts in what follows a login. */
export interface UserFields {
  readonly 'user.effective.name'?: string | undefined
  readonly 'user.effective.domain'?: string | undefined
}

const NTLM_AUTHENTICATE = 3

export class Login {
  #fields: LoginFields = {}
  #isAnswered = false
  mechanism: string | undefined

  /** Whether the last message of NTLM was seen, which tells who it is. */
  get hasNtlmUser(): boolean {
    return this.#isAnswered
  }

  observe(blob: SecurityBlob | undefined): void {
    if (blob === undefined) return
    const { ntlm, kerberos } = blob
    if (ntlm !== undefined) {
      this.mechanism = 'NTLM'
      const { target } = ntlm
      if (ntlm.messageType === NTLM_AUTHENTICATE) {
        this.#isAnswered = true
        this.#fields = {
          ...this.#fields,
          'user.effective.name': named(ntlm.user),
          'user.effective.domain': named(ntlm.domain),
          'ntlm.version': ntlm.ntlmVersion,
          'ntlm.workstation': named(ntlm.workstation),
          'ntlm.target_spn': named(target?.targetSpn),
          'ntlm.mic': ntlm.hasMic,
        }
      } else if (target !== undefined) {
        this.#fields = {
          ...this.#fields,
          'ntlm.server.name': named(target.dnsComputerName) ?? named(target.netbiosComputerName),
          'ntlm.server.domain': named(target.dnsDomainName) ?? named(target.netbiosDomainName),
        }
      }
    }
    if (kerberos?.ticket !== undefined) {
      this.mechanism = 'Kerberos'
      this.#fields = {
        ...this.#fields,
        'kerberos.service': kerberos.ticket.service,
        'kerberos.realm': kerberos.ticket.realm,
        'kerberos.ticket.etype': kerberos.ticket.etypeName,
      }
    }
  }

  /** Old clients name the user outside of any token. */
  name(user: string, domain: string, version: string): void {
    this.mechanism = 'NTLM'
    this.#isAnswered = true
    this.#fields = {
      ...this.#fields,
      'user.effective.name': named(user),
      'user.effective.domain': named(domain),
      'ntlm.version': version,
    }
  }

  /** A bind with a password, which names the user as it likes. */
  named(user: string): void {
    this.mechanism = 'password'
    this.#fields = { 'user.effective.name': named(user) }
  }

  get fields(): LoginFields {
    return this.#fields
  }

  get user(): UserFields {
    return {
      'user.effective.name': this.#fields['user.effective.name'],
      'user.effective.domain': this.#fields['user.effective.domain'],
    }
  }

  /** `DOMAIN\user`, for sentences. */
  get who(): string {
    const { 'user.effective.name': user, 'user.effective.domain': domain } = this.#fields
    if (user === undefined) return this.mechanism === 'Kerberos' ? 'the holder of a ticket' : 'nobody'
    return domain === undefined ? user : `${domain}\\${user}`
  }

  /** The event about NTLM, if NTLM it was. `error` is why the server refused; undefined when it did not. */
  tellNtlm(flow: InnerFlow, error: string | undefined): void {
    if (this.mechanism !== 'NTLM' || !this.#isAnswered) return
    const version = this.#fields['ntlm.version'] ?? 'NTLM'
    if (error === undefined)
      flow.tell('ntlm.authenticated', `${this.who} logged in with ${version}`, {
        ...this.#fields,
        'event.outcome': 'success',
      })
    else
      flow.tell('ntlm.failed', `${this.who} was refused a login with ${version}: ${error}`, {
        ...this.#fields,
        'event.outcome': 'failure',
        'error.code': error,
      })
  }
}

function named(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
