/**
 * A PPP link as plain values, and back: who logged in and what was agreed. Challenges, proofs and the keys of MPPE are secrets or
 * lead to them, and are not kept: what MPPE hides stays hidden until the peers log in again.
 */
import { type Agreed, type Login, PppLink } from './ppp-link.ts'

type SavedLogin = Omit<Login, 'challenge' | 'proof' | 'serverAnswer'>

const ROLES = [0, 1] as const

const LINK_FIELDS = [
  'phase',
  'mppeBits',
  'isStateless',
  'server',
  'encrypted',
  'isOpenTold',
  'terminatedBy',
  'terminationReason',
] as const satisfies readonly (keyof PppLink)[]

export interface SavedLink {
  readonly agreed: readonly Agreed[]
  readonly logins: readonly SavedLogin[]
  readonly compression: readonly string[]
  readonly protocols: readonly number[]
}

export function saveLink(link: PppLink | null): SavedLink | null {
  if (link === null) return null
  return {
    ...Object.fromEntries(LINK_FIELDS.map((field) => [field, link[field]])),
    agreed: link.agreed.map((agreed) => ({ ...agreed })),
    logins: ROLES.map((role) => {
      const { challenge: _challenge, proof: _proof, serverAnswer: _answer, ...login } = link.loginOf(role)
      return login
    }),
    compression: link.compression,
    protocols: link.protocols,
  }
}

export function loadLink(saved: SavedLink | null): PppLink | null {
  if (saved === null) return null
  const link = new PppLink()
  const plain = saved as unknown as Record<string, unknown>
  for (const field of LINK_FIELDS) if (plain[field] !== undefined) Object.assign(link, { [field]: plain[field] })
  for (const role of ROLES) {
    Object.assign(link.agreed[role], saved.agreed[role])
    Object.assign(link.login(role), saved.logins[role])
  }
  link.compression = saved.compression
  link.protocols = saved.protocols
  return link
}
