/** The parts of a sensor that remember, as they are saved over a restart. */
import { createBaselinesState } from './baseline-file.ts'
import { DETECTOR_STATE } from './detect/detector.ts'
import type { StateEntry } from './detect/sigma/state.ts'
import type { RouterEntry } from './output/alert-router.ts'
import type { Pipeline } from './pipeline.ts'
import type { StatePart } from './saved-state.ts'
import type { SavedEntry } from './track/saved.ts'
import type { WatchedSensor } from './watched-sensor.ts'

/** With the version of the entries: what an older sensor wrote in another way is not taken up. */
const TRACKERS_STATE = 'borescope.trackers/3'
const ROUTER_STATE = 'borescope.alert-router/1'
const CLOCK = 'clock'

export interface StatePartsOptions {
  /** After a longer pause things are not taken up under their ids. */
  readonly resumeUs: number
  /** Microseconds since the epoch. */
  readonly wallUs: () => number
  readonly baselinesPath: string
}

export function stateParts(sensor: WatchedSensor, pipeline: Pipeline, options: StatePartsOptions): StatePart[] {
  const { router, baselines } = pipeline
  return [
    trackersPart(sensor, options),
    {
      name: 'detector',
      writer: DETECTOR_STATE,
      entries: () => sensor.detector?.entries() ?? [],
      restore: (entries) => sensor.detector?.restoreEntries(entries) ?? { restored: 0, outdated: entries.length },
    },
    ...(router === null ? [] : [routerPart(pipeline)]),
    ...(baselines === null ? [] : [createBaselinesState(options.baselinesPath, baselines)]),
  ]
}

function trackersPart(sensor: WatchedSensor, { resumeUs, wallUs }: StatePartsOptions): StatePart {
  return {
    name: 'trackers',
    writer: TRACKERS_STATE,
    prepare: () => sensor.prepareToSave(),
    *entries() {
      const { nowUs, entries } = sensor.save()
      yield { kind: CLOCK, savedUs: nowUs === 0 ? null : nowUs }
      yield* entries
    },
    async restore([clock, ...entries]) {
      const savedUs = clock?.['savedUs']
      if (typeof savedUs !== 'number') return { restored: 0, outdated: entries.length }
      const nowUs = Math.max(savedUs, wallUs())
      if (nowUs - savedUs > resumeUs) return { restored: 0, outdated: entries.length }
      const { restored, leftOut, problems } = await sensor.restore(entries as readonly SavedEntry[], { savedUs, nowUs })
      return { restored, outdated: leftOut, refused: problems }
    },
  }
}

/** The router of the pipeline, whichever that is at the time. */
function routerPart(pipeline: Pipeline): StatePart {
  return {
    name: 'alerts',
    writer: ROUTER_STATE,
    entries: () => (pipeline.router?.save() ?? []) as Iterable<StateEntry>,
    restore: (entries) =>
      pipeline.router?.restore(entries as unknown as Iterable<RouterEntry>) ?? { restored: 0, outdated: 0 },
  }
}
