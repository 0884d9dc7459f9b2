/** An incident for a person: what happened, how grave it is, whom it concerns, and where its packets are. */
import type { EventDocument } from '../events/fields.ts'
import { techniques } from './summary.ts'
import { counted, duration, paint, paintLevel, printable, when } from './terminal.ts'

/** Numbers of packets that are told. */
const PACKETS_SHOWN = 12

export function incidentText(incident: EventDocument): string {
  const level = incident['incident.level'] ?? ''
  const rows: [string, string | undefined][] = [
    ['risk', `${incident['event.risk_score']} of 100`],
    ['state', stateOf(incident)],
    ['began', when(incident['event.start'] ?? incident['@timestamp'], true)],
    ['lasted', duration(incident['event.duration'] ?? 0)],
    [
      'found',
      `${counted(incident['incident.alerts'] ?? 0, 'alert')}, ${counted(incident['incident.events'] ?? 0, 'event')}`,
    ],
    ['about', listed(incident['incident.entities'], '; ')],
    ['hosts', listed(incident['incident.addresses'])],
    ['users', listed(incident['incident.users'])],
    ['parts', listed(incident['incident.parts'])],
    ['tactics', listed(incident['threat.tactic.name'], ' → ')],
    ['ATT&CK', techniques(incident)],
    ['packets', packets(incident['incident.frames'] ?? [])],
  ]
  const told = rows.filter(([, value]) => value !== undefined && value !== '')
  return [
    `${paintLevel(level, level.toUpperCase())}  ${paint('bold', printable(incident['incident.title'] ?? ''))}`,
    ...told.map(([name, value]) => `${paint('dim', name.padEnd(8))} ${printable(value ?? '')}`),
    '',
    ...(incident['incident.story'] ?? []).map((line) => `  ${printable(line)}`),
  ].join('\n')
}

function stateOf(incident: EventDocument): string {
  const reason = incident['event.reason']
  return `${incident['incident.state']}${reason === undefined ? '' : `: ${reason}`}`
}

function listed(values: readonly string[] | undefined, between = ', '): string | undefined {
  return values?.join(between)
}

/** `CAPTURE#NUMBER@OFFSET` as `CAPTURE: packets 1, 5, 9`. */
function packets(frames: readonly string[]): string {
  const byCapture = new Map<string, string[]>()
  for (const frame of frames) {
    const [, capture, packet] = /^(.*)#(\d+)@/.exec(frame) ?? ['', '', '']
    byCapture.set(capture, [...(byCapture.get(capture) ?? []), packet])
  }
  return [...byCapture]
    .map(([capture, of]) => {
      const rest = of.length > PACKETS_SHOWN ? ' …' : ''
      return `${capture}: ${of.slice(0, PACKETS_SHOWN).join(', ')}${rest}`
    })
    .join('; ')
}
