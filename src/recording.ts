/** Keeping packets as evidence, put together: the folder, the thread that writes, the recorder, and what is told of losses. */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { Config } from './config-schema.ts'
import type { Emit } from './events/catalogue.ts'
import type { Form } from './evidence/container.ts'
import { readKey } from './evidence/key.ts'
import { EvidenceError } from './evidence/problem.ts'
import { Filler, newQueue } from './evidence/queue.ts'
import { EvidenceRecorder, type RecorderCounters } from './evidence/recorder.ts'
import { type Recovery, recover } from './evidence/recovery.ts'
import { listSegments } from './evidence/segment-file.ts'
import { COUNTER_NAMES, type WriterThreadCounters, type WriterThreadData } from './evidence/writer-thread.ts'
import { Claim, claimFolder } from './output/claim.ts'
import type { Sensor } from './sensor.ts'

const DAY_MS = 86_400_000
const SECOND_US = 1_000_000
/** Larger than any packet, and small enough to be read for one. */
const CHUNK_BYTES = 0x8_0000

export type EvidenceConfig = Config['evidence']

/** Why packets that were to be kept are not. */
const DROPS = ['queue_full.data', 'queue_full.control', 'disk'] as const
type Drop = (typeof DROPS)[number]

export interface RecordingCounters extends RecorderCounters, WriterThreadCounters {
  readonly dropped: Readonly<Record<Drop, number>>
}

export class Recording {
  /** What crashes had left open, and was closed at the start. */
  readonly recovery: Recovery
  readonly #recorder: EvidenceRecorder
  readonly #filler: Filler
  readonly #exited: Promise<unknown>
  readonly #problems: MessagePort
  readonly #claim: Claim
  readonly #told: Record<Drop, number> = { 'queue_full.data': 0, 'queue_full.control': 0, disk: 0 }
  #isRecoveryTold = false
  #problem = ''

  private constructor(
    claim: Claim,
    recovery: Recovery,
    worker: Worker,
    problems: MessagePort,
    filler: Filler,
    recorder: EvidenceRecorder,
  ) {
    this.#claim = claim
    this.recovery = recovery
    this.#filler = filler
    this.#recorder = recorder
    this.#problems = problems
    worker.on('error', (error) => {
      this.#problem = error.message
      filler.abandon()
    })
    this.#exited = new Promise((resolve) => worker.once('exit', resolve))
  }

  /**
   * Opens the store of the configuration for writing.
   *
   * @throws EvidenceError if the key is wrong, or another process writes there; the system's error if the folder cannot be made
   */
  static open(config: EvidenceConfig, version: string): Recording {
    const { path: folder, compress, encryptionKeyFile } = config
    const key = encryptionKeyFile === '' ? null : readKey(encryptionKeyFile)
    const claim = claimFolder(folder, 'evidence')
    if (!(claim instanceof Claim)) {
      throw new EvidenceError(`process ${claim.pid} (since ${claim.since}) keeps evidence in ${folder} already`)
    }
    try {
      const recovery = recover(folder, key)
      const last = listSegments(folder).at(-1)?.number ?? 0
      const heldMax = Math.floor(config.ringBytes / CHUNK_BYTES)
      const queue = newQueue(config.queueBytes, heldMax * CHUNK_BYTES + config.queueBytes, CHUNK_BYTES)
      const form: Form = key === null ? (compress ? 'zstd' : 'plain') : compress ? 'sealed_zstd' : 'sealed'
      const { port1: ours, port2: theirs } = new MessageChannel()
      const workerData: WriterThreadData = {
        queue,
        options: { folder, form, key, bytesMax: config.maxBytes, ageMsMax: config.maxAgeDays * DAY_MS },
        segments: {
          first: last + 1,
          bytes: config.segmentBytes,
          ms: config.segmentSeconds * 1000,
          pathsMax: config.pathsMax,
          application: `Borescope ${version}`,
        },
        problems: theirs,
      }
      const url = new URL('./evidence/writer-thread.ts', import.meta.url)
      const worker = new Worker(url, { workerData, transferList: [theirs] })
      const filler = new Filler(queue)
      const recorder = new EvidenceRecorder(filler, {
        data: config.snapData,
        encrypted: config.snapEncrypted,
        other: config.snapOther,
        alerts: config.alertScope,
        alertLevel: config.alertLevel,
        alertedMax: config.alertedMax,
        beforeUs: config.beforeSeconds * SECOND_US,
        heldMax,
        flushMs: config.flushSeconds * 1000,
        pathsMax: config.pathsMax,
      })
      return new Recording(claim, recovery, worker, ours, filler, recorder)
    } catch (error) {
      claim.release()
      throw error
    }
  }

  /** From now on the packets of this sensor are kept. */
  attach(sensor: Sensor): void {
    this.#recorder.beginTimeline()
    sensor.recorder = this.#recorder
    sensor.bus.subscribe(this.#recorder.observe)
  }

  get counters(): RecordingCounters {
    const { counters } = this.#recorder
    const written = Object.fromEntries(COUNTER_NAMES.map((name, i) => [name, this.#filler.counters[i]]))
    const all = { ...counters, ...(written as unknown as WriterThreadCounters) }
    const { droppedData, droppedControl } = all
    const unnamed = counters.unnamed + this.#filler.counters[COUNTER_NAMES.indexOf('unnamed')]
    const thingsLeftOut = all.thingsLeftOut + this.#filler.tellings.leftOut
    const lostPackets = all.lostPackets + this.#filler.lost
    return {
      ...all,
      unnamed,
      thingsLeftOut,
      lostPackets,
      dropped: { 'queue_full.data': droppedData, 'queue_full.control': droppedControl, disk: lostPackets },
    }
  }

  /**
   * The last thing that the disk refused, for people; empty if it refused nothing. What the other thread said is taken here, so that it
   * is known as soon as the loss is.
   */
  get problem(): string {
    for (
      let said = receiveMessageOnPort(this.#problems);
      said !== undefined;
      said = receiveMessageOnPort(this.#problems)
    )
      this.#problem = said.message as string
    return this.#problem
  }

  /** As `EvidenceRecorder.tick`. */
  tick(nowUs: number): void {
    this.#recorder.tick(nowUs)
  }

  /** Holds a replay back while the disk is slower than it. */
  drain(): Promise<void> {
    return this.#recorder.drain()
  }

  /** What is held in memory is on the disk, or counted as lost. */
  flush(): Promise<void> {
    return this.#recorder.flush()
  }

  /** Tells what was lost since the last call, if anything was. Gives the reasons, in words. */
  report(emit: Emit, timeUs: number): string[] {
    this.#reportRecovery(emit, timeUs)
    const { dropped } = this.counters
    const reasons: string[] = []
    for (const reason of DROPS) {
      const packets = dropped[reason] - this.#told[reason]
      if (packets === 0) continue
      this.#told[reason] = dropped[reason]
      const why = reason === 'disk' ? this.problem || WORDS.disk : WORDS[reason]
      reasons.push(why)
      emit({
        name: 'evidence.dropped',
        timeUs,
        message: `${packets} packets are not kept as evidence: ${WORDS[reason]}`,
        fields: {
          'evidence.drop_reason': reason,
          'evidence.packets': packets,
          'event.reason': why,
        },
      })
    }
    return reasons
  }

  #reportRecovery(emit: Emit, timeUs: number): void {
    if (this.#isRecoveryTold) return
    this.#isRecoveryTold = true
    for (const { name, file, offset, message } of this.recovery.problems) {
      emit({
        name: 'evidence.damaged',
        timeUs,
        message: `${file} ${message}, at byte ${offset}`,
        fields: {
          'anomaly.name': name,
          'evidence.file': file,
          'capture.fault.offset': offset,
          'event.reason': message,
        },
      })
    }
  }

  /** Everything is written, the last segment is closed, and the folder is free for others. */
  async close(): Promise<void> {
    await this.#recorder.flush()
    this.#filler.stop()
    await this.#exited
    this.#problems.close()
    this.#claim.release()
  }
}

const WORDS: Readonly<Record<Drop, string>> = {
  'queue_full.data': 'the disk is too slow; these were data',
  'queue_full.control': 'the disk is too slow; these were control messages',
  disk: 'they could not be written',
}
