/** What searches of the past have found and nobody was told of: lines for `borescope status` and `doctor`. */
import { PAST_FOLDER, type PastRefused, type PastWaiting } from '../retro-notices.ts'
import { counted, duration } from './terminal.ts'

/** Who sends it. */
export const SENT_BY = "the next 'borescope intel add' or 'update' sends them, or a sensor that watches with --notify"

export function pastLine({ delivery, notifications, oldestMs }: PastWaiting, nowMs: number): string {
  const age = duration((nowMs - oldestMs) * 1e6)
  return `${delivery}: ${counted(notifications, 'notification')} of what was found in retrospect ${notifications === 1 ? 'waits' : 'wait'}, the oldest for ${age}`
}

export function refusedPastLine({ delivery, notifications }: PastRefused): string {
  const what = counted(notifications, 'notification')
  return `${PAST_FOLDER}/${delivery}: ${what} of what was found in retrospect refused: 'borescope quarantine list'`
}
