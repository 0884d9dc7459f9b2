/** The figures of a fleet of sensors for `npm run bench`. */
import type { Fleet } from './fleet-case.ts'
import { runCase } from './run.ts'

export function measureFleet(sensors: number, events: number): Fleet {
  return runCase<Fleet>('fleet-case.ts', [String(sensors), String(events)])
}

/** The figures as lines for people. */
export function fleetLines(fleet: Fleet): string[] {
  const { sensors, events, centralSeconds, aloneSeconds, centralFound, aloneFound, eventBytes } = fleet
  const rate = (seconds: number) => Math.round(events / seconds).toLocaleString('en')
  return [
    `${sensors} sensors, one core: ${rate(centralSeconds)} events/s past one detector for all, ${rate(aloneSeconds)} past one for each; ${Math.round(eventBytes)} B an event as NDJSON`,
    `an account guessed once at each of them: found ${centralFound} time(s) over all, ${aloneFound} by the sensors alone`,
  ]
}
