import { describe, expect, it } from 'vitest'
import { compileCidr, parseNetwork } from '../../../src/detect/sigma/cidr.ts'
import { NetworkIndex } from '../../../src/detect/sigma/network-index.ts'
import { Random } from '../../support/random.ts'

function finder(networks: readonly string[]) {
  const index = new NetworkIndex(networks.map((network) => ({ network: parseNetwork(network)!, rule: network })))
  return (value: unknown) => {
    const found: string[] = []
    index.look(value, (rule) => found.push(rule))
    return found.sort()
  }
}

describe('an index of networks', () => {
  it('finds those that hold an address', () => {
    const found = finder(['0.0.0.0/0', '10.0.0.0/8', '10.1.2.3', '10.1.2.0/23', '::/0', '2001:db8::/33'])
    expect(found('10.1.2.3')).toEqual(['0.0.0.0/0', '10.0.0.0/8', '10.1.2.0/23', '10.1.2.3'])
    expect(found('255.255.255.255')).toEqual(['0.0.0.0/0'])
    expect(found('::ffff:10.9.9.9')).toEqual(['0.0.0.0/0', '10.0.0.0/8', '::/0'])
    expect(found('2001:db8:7fff::1')).toEqual(['2001:db8::/33', '::/0'])
    expect(found('2001:db8:8000::1')).toEqual(['::/0'])
    expect(found('no address: at all')).toEqual([])
    expect(found(10)).toEqual([])
  })

  it.each([1, 2])('finds what the networks hold one by one (seed %i)', (seed) => {
    const random = new Random(seed)
    const ipv4 = () => Array.from({ length: 4 }, () => random.pick([0, 1, 127, 128, 255])).join('.')
    const ipv6 = () => Array.from({ length: 8 }, () => random.pick(['0', '1', '7fff', '8000', 'ffff'])).join(':')
    const networks = Array.from({ length: 200 }, () =>
      random.chance(0.5) ? `${ipv4()}/${random.below(33)}` : `${ipv6()}/${random.below(129)}`,
    )
    const found = finder(networks)
    for (let i = 0; i < 500; i++) {
      const address = random.pick([ipv4, ipv6, () => `::ffff:${ipv4()}`])()
      expect(found(address), address).toEqual(networks.filter((network) => compileCidr(network)!(address)).sort())
    }
  })
})
