/**
 * Peers that talk L2TP and PPP over a network which loses, repeats, reorders and replays packets, and a bystander's tap.
 *
 *     const { packets, truth } = simulate({ seed: 7, clients: 20, loss: 0.1 })
 *
 * Everything follows from the seed. The peers exchange typed messages, whose bytes are made by `craft.ts`; no parser is
 * involved, so nothing here can share a mistake with the code under test. A packet lost before the tap is seen by nobody,
 * one lost behind it is seen by the tap alone.
 */
import { Network, type Packet } from './network.ts'
import { Random } from './random.ts'
import {
  DEFAULTS,
  planTunnel,
  type Settings,
  type SimulationOptions,
  type Truth,
  type TunnelTruth,
} from './scenario.ts'
import { Lac, Lns } from './tunnel-peers.ts'

export interface Simulation {
  /** In the order of the tap. */
  readonly packets: readonly Packet[]
  readonly truth: Truth
}

/** Every peer plays until all its tunnels have ended; the result depends on the options alone. */
export function simulate(options: SimulationOptions = {}): Simulation {
  const settings: Settings = { ...DEFAULTS, ...options }
  const random = new Random(settings.seed)
  const network = new Network(settings, random)
  const tunnels: TunnelTruth[] = []
  for (let i = 0; i < settings.clients; i++) {
    const plan = planTunnel(settings, random, i)
    tunnels.push(plan.truth)
    const lac = new Lac(network, plan)
    const lns = new Lns(network, plan)
    lac.peer = lns
    lns.peer = lac
    network.after(random.below(settings.spreadUs), () => lac.start())
  }
  network.run()
  return { packets: network.packets, truth: { tunnels, network: network.fate } }
}
