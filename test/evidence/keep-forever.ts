/** Keeps the packets of a capture again and again, until somebody ends it; says what is on the disk. */
import { openCapture } from '../../src/capture/sources.ts'
import { mergeByTime } from '../../src/capture/merge.ts'
import { Recording } from '../../src/recording.ts'
import { Sensor } from '../../src/sensor.ts'
import { configOf } from './support.ts'

const [capture, folder, compress] = process.argv.slice(2)
const config = configOf(folder, {
  evidence: {
    segmentBytes: 400_000,
    flushSeconds: 0.02,
    beforeSeconds: 0,
    compress: compress === 'yes',
    snapData: 'whole',
  },
})
const recording = Recording.open(config.evidence, 'test')
for (;;) {
  const sensor = new Sensor(config, 'test')
  recording.attach(sensor)
  const source = mergeByTime([await openCapture(capture)])
  await sensor.run(source, async () => {
    await recording.drain()
    process.stdout.write(`${recording.counters.packets}\n`)
  })
  await source.close()
}
