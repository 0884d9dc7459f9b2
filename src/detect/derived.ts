/**
 * Fields that no event holds, made of those that it does: for rules of other taxonomies, which name things otherwise or put them
 * together. Native rules cannot name them.
 */
import type { EventDocument } from '../events/fields.ts'

const EXTENSION = /\.([A-Za-z0-9]{1,10})$/

export const DERIVED = {
  /** The address as a proxy logs it. */
  'url.full': (document) => {
    const target = document['url.original']
    const domain = document['url.domain']
    if (target === undefined || domain === undefined || !target.startsWith('/')) return target
    const port = document['url.port']
    return `http://${domain}${port === undefined || port === 80 ? '' : `:${port}`}${target}`
  },
  'url.extension': (document) => EXTENSION.exec(document['url.path'] ?? '')?.[1],
  /** Zeek knows some operations without the prefix that the specifications give them. */
  'zeek.dce_rpc.operation': (document) => {
    const name = document['dcerpc.operation.name']
    if (document['dcerpc.interface.name'] === 'svcctl') return name?.replace(/^R(?=[A-Z])/, '')
    return name?.replace(/^IDL_/, '')
  },
  /** The name without the share, or the pipe. */
  'zeek.smb.name': (document) => {
    const path = document['file.path']
    if (path === undefined) return document['smb.pipe']
    const share = document['smb.share.path']
    return share !== undefined && path.startsWith(`${share}\\`) ? path.slice(share.length + 1) : path
  },
  /** With and without the zeros in front. */
  'zeek.certificate.serial': (document) => {
    const serial = document['tls.server.x509.serial_number']
    return serial === undefined ? undefined : [serial, serial.replace(/^0+(?=.)/, '')]
  },
  /** A flow that was answered was let through. */
  'firewall.action': (document) => (wasAnswered(document) ? 'accept' : undefined),
  'firewall.blocked': (document) => (wasAnswered(document) ? 'false' : undefined),
} as const satisfies Record<string, (document: EventDocument) => unknown>

export type DerivedField = keyof typeof DERIVED

export function isDerived(name: string): name is DerivedField {
  return Object.hasOwn(DERIVED, name)
}

function wasAnswered(document: EventDocument): boolean {
  return (document['destination.packets'] ?? 0) > 0 && document['flow.tcp.state'] !== 'refused'
}
