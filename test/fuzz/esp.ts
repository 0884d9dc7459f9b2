/** Two hosts and a NAT between them do whatever chance says, with a hand full of SPIs: nothing may be left, or told twice. */
import type { RaisedEvent } from '../../src/events/catalogue.ts'
import type { IkeEnding } from '../../src/track/ike-lookup.ts'
import { fromHex, hello, icmp, ipv4, sccrq, udp } from '../support/craft.ts'
import type { Random } from '../support/random.ts'
import { ALICE, CLEAR, EspRun, type EspChange, GATEWAY, parentSa, SEALED } from '../track/esp-support.ts'

const STEPS = 300
const SPIS = [0xc0000001, 0xc0000002, 0xc0000003, 0xd0000001, 0xd0000002, 0xd0000003, 0xffffffff, 256, 17, 0]
const ENDINGS: readonly IkeEnding[] = ['deleted', 'replaced', 'failed', 'silence', 'capture_end']
const PORTS = [undefined, undefined, [4500, 4500], [1025, 4500], [1026, 4500]] as const
const CONTENTS: readonly EspChange[] = [
  {},
  {},
  { content: udp(sccrq()) },
  { content: udp(hello()) },
  { content: ipv4(icmp(fromHex('0102')), { protocol: 1 }), nextHeader: 4 },
  { content: fromHex('00'), nextHeader: 59 },
]

export function espFuzzer(random: Random): void {
  const run = new EspRun(
    { espAssociationsMax: random.pick([1, 2, 3, 8]), espNullPackets: random.pick([1, 2, 4]) },
    random.chance(0.5) ? [SEALED] : [],
  )
  const uids = ['i-1', 'i-2', 'i-3']
  for (let i = 0; i < STEPS; i++) step(run, random, uids)
  run.finish()
  check(run)
}

function step(run: EspRun, random: Random, uids: readonly string[]): void {
  const draw = random.below(100)
  if (draw < 4) run.wait(random.pick([1, 6, 31, 130, 4000]))
  else if (draw < 7) run.parent = random.chance(0.3) ? null : parentSa(random.pick(uids), lifetimeOf(random))
  else if (draw < 10)
    run.endIke(random.pick(uids), random.pick(ENDINGS), run.timeUs - random.pick([0, 0, 20_000_000, 100_000_000]))
  else {
    const ports = random.pick(PORTS)
    const isUp = random.chance(0.6)
    const sequence = random.chance(0.2) ? { sequence: random.pick([0, 1, 5, 70, 5000, 0x7fffffff, 0xffffffff]) } : {}
    const change: EspChange = {
      ...random.pick(CONTENTS),
      ...sequence,
      keys: random.chance(0.3) ? CLEAR : SEALED,
      ...(ports === undefined ? {} : { ports: isUp ? ports : ([ports[1], ports[0]] as const) }),
    }
    if (isUp) run.up(random.pick(SPIS), change)
    else run.down(random.pick(SPIS), change)
  }
}

function lifetimeOf(random: Random): {
  readonly lifetimeSeconds: number | undefined
  readonly isFromInitiator: boolean
} {
  return { lifetimeSeconds: random.pick([undefined, 10, 3600]), isFromInitiator: random.chance(0.7) }
}

function check(run: EspRun): void {
  const associations = bySubject(run, 'esp.association.uid')
  const tunnels = bySubject(run, 'esp.tunnel.uid')
  demand(run.tracker.size === 0, 'an association outlived the capture')
  demand(run.tracker.pairs === 0, 'a pair outlived the capture')
  for (const [uid, names] of associations) {
    demand(count(names, 'esp.association.seen') === 1, `${uid} began ${count(names, 'esp.association.seen')} times`)
    demand(count(names, 'esp.association.closed') === 1, `${uid} ended ${count(names, 'esp.association.closed')} times`)
    demand(names[0] === 'esp.association.seen', `${uid} began with ${names[0]}`)
    demand(names.at(-1) === 'esp.association.closed', `${uid} ended with ${names.at(-1)}`)
    for (const once of ['esp.association.read', 'esp.association.orphaned', 'esp.association.outlived'] as const)
      demand(count(names, once) <= 1, `${uid}: ${once} twice`)
  }
  for (const [uid, names] of tunnels) {
    const opened = count(names, 'esp.tunnel.opened')
    demand(opened <= 1, `${uid} was opened ${opened} times`)
    demand(count(names, 'esp.tunnel.closed') === opened, `${uid} was closed ${count(names, 'esp.tunnel.closed')} times`)
    if (opened === 1) demand(names.at(-1) === 'esp.tunnel.closed', `${uid} ended with ${names.at(-1)}`)
  }
  for (const event of run.events) {
    for (const [name, value] of Object.entries(event.fields))
      demand(
        typeof value !== 'number' || (Number.isFinite(value) && value >= 0),
        `${name} is ${value} in ${event.name}`,
      )
    const { 'source.ip': source, 'destination.ip': destination } = event.fields as Record<string, unknown>
    const isOfBoth = [source, destination].every((ip) => ip === ALICE || ip === GATEWAY)
    demand(!event.name.startsWith('esp.') || isOfBoth, `${event.name} from ${source} to ${destination}`)
  }
}

function bySubject(run: EspRun, field: 'esp.association.uid' | 'esp.tunnel.uid'): Map<string, RaisedEvent['name'][]> {
  const subjects = new Map<string, RaisedEvent['name'][]>()
  for (const { name, fields } of run.events) {
    const uid = (fields as Record<string, unknown>)[field]
    if (typeof uid !== 'string') continue
    const names = subjects.get(uid)
    if (names === undefined) subjects.set(uid, [name])
    else names.push(name)
  }
  return subjects
}

function count(names: readonly string[], wanted: RaisedEvent['name']): number {
  return names.filter((name) => name === wanted).length
}

function demand(holds: boolean, what: string): void {
  if (!holds) throw new Error(what)
}
