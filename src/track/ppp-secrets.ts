/** The passwords of PPP users that the operator gave: with them a login can be verified, and MPPE opened. */
import { credentialOfHash, credentialOfPassword, type MsChapCredential } from '../wire/ms-chap-proof.ts'

/** One of the two is there. `ntHash` is 32 hexadecimal digits. */
export interface PppSecret {
  readonly user: string
  readonly password?: string | undefined
  readonly ntHash?: string | undefined
}

export class PppSecrets {
  readonly #byUser = new Map<string, MsChapCredential[]>()

  constructor(secrets: readonly PppSecret[]) {
    for (const { user, password, ntHash } of secrets) {
      const credential =
        password === undefined ? credentialOfHash(Buffer.from(ntHash ?? '', 'hex')) : credentialOfPassword(password)
      const name = user.toLowerCase()
      this.#byUser.set(name, [...(this.#byUser.get(name) ?? []), credential])
    }
  }

  get isAny(): boolean {
    return this.#byUser.size > 0
  }

  /** The candidates for a user: by the name as it was sent, or without the domain before it. Windows tells no case apart. */
  of(userName: string): readonly MsChapCredential[] {
    const name = userName.toLowerCase()
    return this.#byUser.get(name) ?? this.#byUser.get(name.slice(name.lastIndexOf('\\') + 1)) ?? []
  }
}
