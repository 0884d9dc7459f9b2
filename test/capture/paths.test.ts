import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { capturePaths } from '../../src/capture/paths.ts'
import { pcapFile, pcapngFile } from '../support/pcap.ts'
import { Scratch } from './support.ts'

const scratch = new Scratch()
afterAll(() => scratch.remove())

mkdirSync(join(scratch.folder, 'inner'))
const second = scratch.write('b.txt', pcapngFile({ packets: [] }))
const first = scratch.write('a.pcap', pcapFile({ packets: [] }))
const inner = scratch.write('inner/c.pcap', pcapFile({ packets: [] }))
const text = scratch.write('readme.pcap', 'This is not a capture, whatever its name says.')
symlinkSync(scratch.folder, join(scratch.folder, 'loop'))

test('a folder stands for the captures in it and below, by content, sorted by name', async () => {
  const { captures, skipped } = await capturePaths([scratch.folder])
  expect(captures).toEqual([first, second, inner])
  expect(skipped).toEqual([
    { path: join(scratch.folder, 'loop'), reason: 'is not a regular file' },
    { path: text, reason: expect.stringContaining('neither pcap nor pcapng') },
  ])
})

test('what is named itself stays, in the order given, so that opening it gives the error', async () => {
  const missing = join(scratch.folder, 'missing')
  expect(await capturePaths([text, '-', missing, first])).toEqual({
    captures: [text, '-', missing, first],
    skipped: [],
  })
})

test('the same capture is read once', async () => {
  const { captures, skipped } = await capturePaths([inner, join(scratch.folder, 'inner')])
  expect(captures).toEqual([inner])
  expect(skipped).toEqual([{ path: inner, reason: 'is named twice' }])
})
