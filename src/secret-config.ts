/** How the configuration names a secret, everywhere in the same way: as it is, or where it stands. */
import { z } from 'zod'

const ELSEWHERE = [z.strictObject({ file: z.string().min(1) }), z.strictObject({ env: z.string().min(1) })] as const
const EXPECTED = { error: 'expected a text, { file: PATH } or { env: NAME }' }

/** A text, or a file or variable of the environment that holds it. */
export const SECRET = z.union([z.string().min(1), ...ELSEWHERE], EXPECTED)
/** The same, where an empty text is one, or stands for none. */
export const SECRET_OR_EMPTY = z.union([z.string(), ...ELSEWHERE], EXPECTED)
export type Secret = z.output<typeof SECRET>

/** Keys that once named the file of a secret, and the key of that secret. */
export const FORMER_KEYS: Readonly<Record<string, string>> = { passwordFile: 'password', apiKeyFile: 'apiKey' }

const MASK = '********'

/** For people to see: what is secret is masked, where a secret stands is not. */
export function maskSecret(secret: Secret): Secret {
  return typeof secret === 'string' ? MASK : secret
}
