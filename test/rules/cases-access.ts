/** Stories for the rules in `rules/access/`: see `cases.ts`. */
import { event } from './events.ts'
import { CLIENT, many, seen, SERVER, type RuleCase } from './stories.ts'

export const ACCESS_CASES: Readonly<Record<string, RuleCase>> = {
  'Several PPPoE concentrators answered': {
    fires: () => [
      event('pppoe.session.opened', 0, {
        'source.mac': '02:00:00:00:00:01',
        'destination.mac': '02:00:00:00:00:fe',
        'pppoe.offers': 2,
      }),
    ],
    entity: '02:00:00:00:00:fe',
    misses: {
      'one offer': () => [
        event('pppoe.session.opened', 0, {
          'source.mac': '02:00:00:00:00:01',
          'destination.mac': '02:00:00:00:00:fe',
          'pppoe.offers': 1,
        }),
      ],
    },
  },
  'PPPoE discovery flood': {
    fires: () =>
      Array.from({ length: 60 }, (_, index) =>
        event('pppoe.session.failed', index / 2, {
          'source.mac': `02:00:00:00:01:${10 + index}`,
          'network.protocol': 'pppoe',
        }),
      ),
    entity: 'pppoe',
    misses: {
      'one station': () =>
        Array.from({ length: 60 }, (_, index) =>
          event('pppoe.session.failed', index / 2, { 'source.mac': '02:00:00:00:01:10', 'network.protocol': 'pppoe' }),
        ),
    },
  },
  'PPTP message that attacks a parser': {
    fires: () => [seen('protocol.anomaly', 0, { 'anomaly.name': 'pptp.magic' })],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'cut off by the capture': () => [seen('protocol.anomaly', 0, { 'anomaly.name': 'pptp.truncated' })],
    },
  },
  'PPTP call numbers being guessed': {
    fires: () => many('protocol.anomaly', 14, 2, () => ({ 'anomaly.name': 'pptp.call_unknown' })),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      nine: () => many('protocol.anomaly', 9, 2, () => ({ 'anomaly.name': 'pptp.call_unknown' })),
    },
  },
  'PPTP calls come and go': {
    fires: () => many('pptp.call.closed', 14, 20, () => ({ 'event.duration': 3_000_000_000 })),
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      nine: () => many('pptp.call.closed', 9, 20, () => ({ 'event.duration': 3_000_000_000 })),
      'calls that last': () => many('pptp.call.closed', 14, 20, () => ({ 'event.duration': 300_000_000_000 })),
    },
  },
}
