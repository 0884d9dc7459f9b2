/** Fetches the objects of a TAXII 2.1 collection (OASIS, 10 June 2021), page by page, from where the last visit ended. */

const ACCEPT = 'application/taxii+json;version=2.1'
const PAGES_MAX = 10_000

/** The server answered otherwise than TAXII says; the message holds the status. */
export class TaxiiError extends Error {
  override readonly name = 'TaxiiError'
}

export interface TaxiiPage {
  readonly objects: readonly unknown[]
  /** For the next visit: when the last object of this page was added. */
  readonly addedAfter: string | undefined
}

export interface TaxiiOptions {
  /** What was in `addedAfter` at the end of the last visit. */
  readonly addedAfter?: string | undefined
  /** The value of the header Authorization. */
  readonly authorization?: string | undefined
  readonly signal?: AbortSignal
}

/** `collection` is the address of the collection, such as https://host/root/collections/91a7…/. */
export async function* fetchCollection(collection: string, options: TaxiiOptions): AsyncGenerator<TaxiiPage> {
  const base = new URL('objects/', collection.endsWith('/') ? collection : `${collection}/`)
  let next: string | undefined
  let { addedAfter } = options
  for (let page = 0; page < PAGES_MAX; page++) {
    const url = new URL(base)
    url.searchParams.set('match[type]', 'indicator')
    if (options.addedAfter !== undefined) url.searchParams.set('added_after', options.addedAfter)
    if (next !== undefined) url.searchParams.set('next', next)
    const answer = await fetch(url, {
      headers: {
        accept: ACCEPT,
        ...(options.authorization === undefined ? {} : { authorization: options.authorization }),
      },
      redirect: 'error',
      signal: options.signal ?? AbortSignal.timeout(60_000),
    })
    if (!answer.ok) throw new TaxiiError(`${url.origin}${url.pathname} answered ${answer.status} ${answer.statusText}`)
    const type = answer.headers.get('content-type') ?? 'nothing'
    if (!type.startsWith('application/taxii+json'))
      throw new TaxiiError(`${url.origin}${url.pathname} answered with ${type}`)
    const envelope = (await answer.json()) as { more?: unknown; next?: unknown; objects?: unknown }
    addedAfter = answer.headers.get('x-taxii-date-added-last') ?? addedAfter
    yield { objects: Array.isArray(envelope.objects) ? envelope.objects : [], addedAfter }
    if (envelope.more !== true) return
    if (typeof envelope.next !== 'string' || envelope.next === next) {
      throw new TaxiiError(`${url.origin}${url.pathname} has more and does not say where`)
    }
    next = envelope.next
  }
  throw new TaxiiError(`${base} has more than ${PAGES_MAX} pages`)
}
