/** What a session of version 3 has beyond one of version 2, as plain values. */
import type { WantedLayout } from '../wire/l2tpv3-control.ts'
import { type Check, isCount, isFlag, isHex, isText, listOf, orNull, pairOf, shapeOf } from './saved-fields.ts'

/** An agreed cookie as hexadecimal digits. */
type SavedLayout = Omit<WantedLayout, 'cookie'> & { readonly cookie: string }

export interface SavedV3Session {
  readonly remoteEndId: string | undefined
  readonly circuitStatus: readonly string[] | undefined
  readonly mismatches: number
  readonly isSequenced: boolean
  /** By the role that receives. */
  readonly directions: readonly {
    readonly wanted: SavedLayout | null
    readonly lost: number
    readonly reordered: number
  }[]
}

const LAYOUT = { cookie: isHex, sublayer: isCount, pseudowireType: isCount, isKnown: isFlag } as const satisfies Record<
  keyof SavedLayout,
  Check
>
const isLayout = shapeOf(LAYOUT, Object.keys(LAYOUT))

export const isV3Session: Check = shapeOf(
  {
    remoteEndId: isText,
    circuitStatus: listOf(isText),
    mismatches: isCount,
    isSequenced: isFlag,
    directions: pairOf(
      shapeOf({ wanted: orNull(isLayout), lost: isCount, reordered: isCount }, ['wanted', 'lost', 'reordered']),
    ),
  },
  ['mismatches', 'isSequenced', 'directions'],
)
