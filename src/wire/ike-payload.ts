/** The payloads of IKE messages as plain values: what `ike-describe.ts` makes of them. */
import type { CertificateData } from './ike-certificate.ts'
import type { ConfigAttribute } from './ike-config.ts'
import type { GdoiFields } from './ike-gdoi.ts'
import type { NotificationDetails } from './ike-notify.ts'
import type { IkeSa } from './ike-proposal.ts'
import type { VendorKind } from './ike-vendor-table.ts'

/** What every payload has. */
export interface PayloadHead {
  readonly type: number
  readonly name: string
  /** With the generic header. */
  readonly length: number
  readonly isCritical: boolean
  /** The type of the payload that follows; of SK and SKF of the first one inside. */
  readonly nextType: number
  /** Absent where it is zero, as it should be. */
  readonly reserved?: number
}

/** A traffic selector (RFC 7296, section 3.13). */
export interface IkeSelector {
  readonly typeNumber: number
  readonly type: string
  readonly protocol: number
  readonly protocolName?: string
  readonly length: number
  readonly startPort: number
  readonly endPort: number
  readonly startAddress: string
  readonly endAddress: string
}

/** The fields of a payload, by its kind. Values in `data`, `hash`, `spi`, `nonce` and `value` are hexadecimal. */
export type PayloadFields =
  | ({ readonly kind: 'sa' } & IkeSa)
  | {
      readonly kind: 'ke'
      readonly groupNumber?: number
      readonly group?: string
      readonly dataLength: number
      readonly data: string
    }
  | {
      readonly kind: 'id'
      readonly idTypeNumber: number
      readonly idType: string
      readonly value: string
      readonly dataLength: number
      readonly protocol?: number
      readonly protocolName?: string
      readonly port?: number
    }
  | ({
      readonly kind: 'cert'
      readonly encodingNumber: number
      readonly encoding: string
      readonly dataLength: number
    } & CertificateData)
  | {
      readonly kind: 'certreq'
      readonly encodingNumber: number
      readonly encoding: string
      readonly dataLength: number
      /** The names of authorities (IKEv1), or SHA-1 hashes of their keys (IKEv2). */
      readonly authorities: readonly string[]
    }
  | { readonly kind: 'hash'; readonly dataLength: number }
  | {
      readonly kind: 'auth'
      readonly methodNumber: number
      readonly method: string
      /** The object identifier of RFC 7427's digital signature. */
      readonly algorithm?: string
      readonly dataLength: number
    }
  | { readonly kind: 'nonce'; readonly nonce: string }
  | {
      readonly kind: 'notify'
      readonly doi?: string
      readonly doiNumber?: number
      readonly notification: number
      readonly notificationName: string
      readonly protocol: string
      readonly protocolNumber: number
      readonly spi: string
      readonly data: string
      readonly details?: NotificationDetails
    }
  | {
      readonly kind: 'delete'
      readonly doi?: string
      readonly doiNumber?: number
      readonly protocol: string
      readonly protocolNumber: number
      readonly spiLength: number
      readonly spiCount: number
      readonly spis: readonly string[]
    }
  | {
      readonly kind: 'vendor'
      readonly value: string
      readonly vendor?: string
      readonly vendorKind?: VendorKind
      readonly start: number
      readonly end: number
    }
  | { readonly kind: 'natd'; readonly hash: string }
  | { readonly kind: 'natoa'; readonly idTypeNumber: number; readonly idType: string; readonly address: string }
  | { readonly kind: 'ts'; readonly selectorCount: number; readonly selectors: readonly IkeSelector[] }
  | {
      readonly kind: 'config'
      readonly configTypeNumber: number
      readonly configType: string
      readonly identifier?: number
      readonly attributes: readonly ConfigAttribute[]
    }
  | {
      readonly kind: 'eap'
      readonly codeNumber: number
      readonly code: string
      readonly identifier: number
      readonly eapLength: number
      readonly eapType?: number
      readonly eapTypeName?: string
    }
  | { readonly kind: 'encrypted'; readonly dataLength: number; readonly fragment?: number; readonly fragments?: number }
  | {
      readonly kind: 'fragment'
      readonly packet: number
      readonly fragment: number
      readonly isLast: boolean
      readonly start: number
      readonly end: number
    }
  | ({ readonly kind: 'gdoi' } & GdoiFields)
  | { readonly kind: 'data'; readonly dataLength: number; readonly data: string }
  | { readonly kind: 'other'; readonly dataLength: number }

export type IkePayload = PayloadHead & PayloadFields

/** The payloads of one kind. */
export type IkePayloadOf<K extends PayloadFields['kind']> = Extract<IkePayload, { kind: K }>
