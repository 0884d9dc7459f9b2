/** Stories for the rules in `rules/esp/`: see `cases.ts`. */
import { CLIENT, many, seen, SERVER, type RuleCase } from './stories.ts'

export const ESP_CASES: Readonly<Record<string, RuleCase>> = {
  'SPIs being guessed': {
    fires: () => [seen('esp.spi.scanned', 0, { 'esp.spis': 32 }), seen('esp.spi.scanned', 60, { 'esp.spis': 64 })],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'an association that uses its SPI': () => [seen('esp.association.seen', 0)],
    },
  },
  'IPsec packets being replayed': {
    fires: () => many('esp.sequence.replayed', 8, 2, () => ({ 'esp.association.uid': 'a-1' })),
    entity: `a-1, ${CLIENT}, ${SERVER}`,
    misses: {
      'four times': () => many('esp.sequence.replayed', 4, 2, () => ({ 'esp.association.uid': 'a-1' })),
      'one in each of many associations': () =>
        many('esp.sequence.replayed', 8, 2, (index) => ({ 'esp.association.uid': `a-${index}` })),
    },
  },
  'Forged sequence numbers in an IPsec association': {
    fires: () => many('esp.sequence.forged', 5, 20, () => ({ 'esp.association.uid': 'a-1' })),
    entity: `a-1, ${CLIENT}, ${SERVER}`,
    misses: {
      two: () => many('esp.sequence.forged', 2, 20, () => ({ 'esp.association.uid': 'a-1' })),
      'once in ten minutes': () => many('esp.sequence.forged', 5, 600, () => ({ 'esp.association.uid': 'a-1' })),
    },
  },
  'IPsec stream that began again under its SPI': {
    fires: () => [seen('esp.sequence.restarted', 0)],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'a stream that goes on ahead': () => [seen('esp.sequence.resumed', 0)],
    },
  },
  'IPsec sequence numbers used up': {
    fires: () => [
      seen('esp.sequence.wrapped', 0, { 'esp.tunnel.uid': 'e-1' }),
      seen('esp.sequence.wrapped', 60, { 'esp.tunnel.uid': 'e-1' }),
    ],
    entity: 'e-1',
    misses: {
      'a jump ahead': () => [seen('esp.sequence.resumed', 0, { 'esp.tunnel.uid': 'e-1' })],
    },
  },
  'Reserved SPI on the wire': {
    fires: () => [
      seen('protocol.anomaly', 0, { 'anomaly.name': 'esp.spi_zero' }),
      seen('protocol.anomaly', 9, { 'anomaly.name': 'esp.spi_reserved' }),
    ],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'another flaw': () => [seen('protocol.anomaly', 0, { 'anomaly.name': 'esp.truncated' })],
    },
  },
  'IPsec traffic after its key exchange was deleted': {
    fires: () => [
      seen('esp.association.orphaned', 0, { 'esp.tunnel.uid': 'e-1' }),
      seen('esp.association.orphaned', 30, { 'esp.tunnel.uid': 'e-1' }),
    ],
    entity: 'e-1',
    misses: {
      'an association that ends': () => [seen('esp.association.closed', 0, { 'esp.tunnel.uid': 'e-1' })],
    },
  },
  'IPsec traffic without a key exchange': {
    fires: () => [seen('esp.tunnel.opened', 0), seen('esp.tunnel.opened', 60)],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'after an exchange': () => [seen('esp.tunnel.opened', 0, { 'ike.uid': 'i-1' })],
    },
  },
  'IPsec without encryption': {
    fires: () => [
      seen('esp.association.read', 0, { 'esp.readable': 'not_encrypted' }),
      seen('esp.association.read', 60, { 'esp.readable': 'authenticated' }),
    ],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'opened with keys': () => [seen('esp.association.read', 0, { 'esp.readable': 'keys' })],
    },
  },
  'IPsec association past its lifetime': {
    fires: () => [seen('esp.association.outlived', 0, { 'esp.tunnel.uid': 'e-1' })],
    entity: 'e-1',
    misses: {
      'an association that ends': () => [seen('esp.association.closed', 0, { 'esp.tunnel.uid': 'e-1' })],
    },
  },
  'IPsec packets that fail their integrity check': {
    fires: () => [seen('esp.association.closed', 0, { 'esp.association.uid': 'a-1', 'esp.packets.corrupt': 5 })],
    entity: 'a-1',
    misses: {
      four: () => [seen('esp.association.closed', 0, { 'esp.association.uid': 'a-1', 'esp.packets.corrupt': 4 })],
    },
  },
  'IPsec in one direction only': {
    fires: () => [seen('esp.tunnel.one_way', 0, { 'source.packets': 500 })],
    entity: `${CLIENT}, ${SERVER}`,
    misses: {
      'both directions': () => [seen('esp.tunnel.opened', 0, { 'ike.uid': 'i-1' })],
    },
  },
  'Encrypted tunnel that beats like a clock': {
    fires: () => [
      seen('esp.traffic.classified', 0, {
        'esp.tunnel.uid': 'e-1',
        'esp.traffic.class': 'periodic',
        'esp.traffic.windows': 400,
      }),
    ],
    entity: 'e-1',
    misses: {
      'half an hour': () => [
        seen('esp.traffic.classified', 0, {
          'esp.tunnel.uid': 'e-1',
          'esp.traffic.class': 'periodic',
          'esp.traffic.windows': 180,
        }),
      ],
      'a call': () => [
        seen('esp.traffic.classified', 0, {
          'esp.tunnel.uid': 'e-1',
          'esp.traffic.class': 'voice',
          'esp.traffic.windows': 400,
        }),
      ],
    },
  },
  'Very large upload inside an encrypted tunnel': {
    fires: () =>
      many('esp.traffic.classified', 6, 600, () => ({
        'esp.tunnel.uid': 'e-1',
        'esp.traffic.class': 'bulk_up',
        'esp.traffic.bytes': 100_000_001,
      })),
    entity: `e-1, ${CLIENT}, ${SERVER}`,
    misses: {
      '400 megabytes': () =>
        many('esp.traffic.classified', 4, 600, () => ({
          'esp.tunnel.uid': 'e-1',
          'esp.traffic.class': 'bulk_up',
          'esp.traffic.bytes': 100_000_000,
        })),
      'a download': () =>
        many('esp.traffic.classified', 9, 600, () => ({
          'esp.tunnel.uid': 'e-1',
          'esp.traffic.class': 'bulk_down',
          'esp.traffic.bytes': 100_000_001,
        })),
    },
  },
  'IPsec tunnel pulled back and forth': {
    fires: () => many('esp.tunnel.moved', 14, 20, () => ({ 'esp.tunnel.uid': 'e-1' })),
    entity: `e-1, ${CLIENT}, ${SERVER}`,
    misses: {
      'nine times': () => many('esp.tunnel.moved', 9, 20, () => ({ 'esp.tunnel.uid': 'e-1' })),
      'once an hour': () => many('esp.tunnel.moved', 14, 3600, () => ({ 'esp.tunnel.uid': 'e-1' })),
    },
  },
  'ESP keys that open nothing': {
    fires: () => [seen('esp.keys.refused', 0, { 'esp.tunnel.uid': 'e-1' })],
    entity: 'e-1',
    misses: {
      'keys that fit': () => [seen('esp.association.read', 0, { 'esp.tunnel.uid': 'e-1', 'esp.readable': 'keys' })],
    },
  },
}
