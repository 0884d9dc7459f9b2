/**
 * ESP and AH in the dissection of single packets: headers always, and what is behind them where it can be read, because the keys
 * were supplied or nothing was encrypted.
 */
import { AhView, describeAh } from '../wire/ah.ts'
import { describeEsp, ESP_DUMMY, EspView } from '../wire/esp.ts'
import { NullRecogniser, NullState } from '../wire/esp-null.ts'
import { ESP_PLAIN_MAX, EspOpener, type EspVerdict } from '../wire/esp-open.ts'
import { IP_PROTOCOL_NAMES, type IpView } from '../wire/ip.ts'
import { EspKeyring } from './esp-keyring.ts'
import type { Layer, Window } from './layer.ts'

export interface EspLayerOptions {
  readonly keyring: EspKeyring
  /** Packets that must agree before an association counts as not encrypted. */
  readonly nullPacketsMin: number
  /** Associations remembered. */
  readonly associationsMax: number
}

export const NO_ESP_KEYS: EspLayerOptions = { keyring: new EspKeyring([]), nullPacketsMin: 2, associationsMax: 4096 }

/** What stands behind a header of IPsec. */
export interface Protected {
  /** An IP protocol number. */
  readonly protocol: number
  readonly window: Window
}

interface Association {
  readonly openers: readonly EspOpener[]
  /** The name of the algorithms of keys that cannot be used. */
  readonly unsupported: string | undefined
  readonly nullState: NullState
}

export class EspLayers {
  readonly #options: EspLayerOptions
  readonly #recogniser: NullRecogniser
  readonly #associations = new Map<string, Association>()
  readonly #esp = new EspView()
  readonly #ah = new AhView()

  constructor(options: EspLayerOptions) {
    this.#options = options
    this.#recogniser = new NullRecogniser({ packetsMin: options.nullPacketsMin })
  }

  /**
   * Describes the ESP packet in the window; gives what is inside if that can be read. `ip` is the header before it. Of a packet that
   * an ICMP error quotes, and of a lone first fragment, the header is all there is.
   */
  esp(window: Window, ip: IpView, isHeaderOnly: boolean, layers: Layer[]): Protected | null {
    const esp = this.#esp
    const flaw = esp.decode(window.bytes, window.start, window.end, window.wireEnd)
    if (flaw === 'esp.truncated') {
      layers.push({ layer: 'esp', length: window.wireEnd - window.start, ...cutOr(window, flaw) })
      return null
    }
    const header = { ...describeEsp(esp), ...(flaw === null ? {} : { flaw }) }
    if (flaw !== null || isHeaderOnly) {
      layers.push(header)
      return null
    }
    const association = this.#associationOf(esp, ip)
    return this.#withKeys(association, header, layers) ?? this.#withoutKeys(association, ip, header, layers)
  }

  /** Describes the AH in the window, and gives what it protects. */
  ah(window: Window, ip: IpView, layers: Layer[]): Protected | null {
    const ah = this.#ah
    const flaw = ah.decode(window.bytes, window.start, window.end, window.wireEnd)
    if (flaw === 'ah.truncated' && window.end - window.start < 12) {
      layers.push({ layer: 'ah', length: window.wireEnd - window.start, ...cutOr(window, flaw) })
      return null
    }
    layers.push({ ...describeAh(ah, ip.version === 6), ...(flaw === null ? {} : cutOr(window, flaw)) })
    if (flaw !== null) return null
    return { protocol: ah.nextHeader, window: { ...window, start: ah.payloadStart } }
  }

  #withKeys({ openers, unsupported }: Association, header: Layer, layers: Layer[]): Protected | null {
    let verdict: EspVerdict | undefined
    for (const opener of openers) {
      verdict = opener.open(this.#esp, new Uint8Array(ESP_PLAIN_MAX))
      if (verdict === 'opened') return this.#opened(opener, header, layers)
    }
    if (verdict !== undefined) layers.push({ ...header, verdict })
    else if (unsupported !== undefined) layers.push({ ...header, verdict: 'unsupported', suite: unsupported })
    return null
  }

  #opened(opener: EspOpener, header: Layer, layers: Layer[]): Protected | null {
    const { keys, sequenceHigh, flaw } = opener
    layers.push({
      ...header,
      ...(flaw === null ? {} : { findings: [...(header.findings ?? []), flaw] }),
      verdict: 'opened',
      suite: keys.suite,
      isAuthenticated: keys.isAuthenticated,
      ...(sequenceHigh === -1 ? {} : { sequenceHigh }),
      ...trailerOf(opener),
    })
    return contentOf(opener)
  }

  #withoutKeys(association: Association, ip: IpView, header: Layer, layers: Layer[]): Protected | null {
    if (association.openers.length > 0 || association.unsupported !== undefined) return null
    const { nullState } = association
    if (!this.#recogniser.look(nullState, this.#esp, ip)) {
      layers.push(header)
      return null
    }
    layers.push({
      ...header,
      verdict: 'not_encrypted',
      confidence: nullState.confidence,
      ...trailerOf(this.#recogniser),
    })
    return contentOf(this.#recogniser)
  }

  #associationOf({ spi }: EspView, { bytes, sourceAt, destinationAt, addressLength }: IpView): Association {
    const key = `${spi}/${Buffer.from(bytes.subarray(sourceAt, sourceAt + addressLength * 2)).toString('hex')}`
    const known = this.#associations.get(key)
    if (known !== undefined) return known
    const candidates = this.#options.keyring.candidates(bytes, sourceAt, destinationAt, addressLength, spi)
    const association = {
      openers: candidates.flatMap(({ keys }) => (keys === null ? [] : [new EspOpener(keys)])),
      unsupported: candidates.find(({ keys }) => keys === null)?.unsupported,
      nullState: new NullState(),
    }
    if (this.#associations.size >= this.#options.associationsMax)
      this.#associations.delete(this.#associations.keys().next().value as string)
    this.#associations.set(key, association)
    return association
  }
}

interface Opened {
  readonly bytes: Uint8Array
  readonly contentStart: number
  readonly contentEnd: number
  readonly nextHeader: number
  readonly padLength: number
}

function trailerOf({ padLength, nextHeader }: Opened): Record<string, unknown> {
  return {
    padLength,
    nextHeader,
    nextHeaderName: nextHeader === ESP_DUMMY ? 'dummy' : (IP_PROTOCOL_NAMES[nextHeader] ?? 'unknown'),
  }
}

function contentOf({ bytes, contentStart: start, contentEnd: end, nextHeader }: Opened): Protected | null {
  if (nextHeader === ESP_DUMMY) return null
  return { protocol: nextHeader, window: { bytes, start, end, wireEnd: end } }
}

/** A flaw, unless the capture cut the packet: then it is no fault of the sender. */
function cutOr({ end, wireEnd }: Window, flaw: string): { readonly flaw: string } | { readonly isSnapped: true } {
  return wireEnd > end && flaw.endsWith('.truncated') ? { isSnapped: true } : { flaw }
}
