/** Windows events as EVTX files become JSON: shapes that the public events beside a checkout need not have. */
import { describe, expect, it } from 'vitest'
import { windowsFields } from './public.ts'

const System = { EventID: 7, Channel: 'Ours', Provider: { '#attributes': { Name: 'Maker' } } }
const HEAD = { EventID: 7, Channel: 'Ours', Provider_Name: 'Maker' }

describe('windowsFields', () => {
  it('takes the content of elements that have attributes, be it one or a list', () => {
    const EventID = { '#attributes': { Qualifiers: 16384 }, '#text': 7 }
    const Data = { '#text': ['a', 'b'] }
    expect(windowsFields({ System: { ...System, EventID }, EventData: { Data, Binary: null } })).toEqual({
      ...HEAD,
      Data: ['a', 'b'],
      Binary: null,
    })
  })

  it('takes what stands in UserData, without the attributes of the element that holds it', () => {
    const Cleared = { '#attributes': { xmlns: 'urn:x' }, Channel: 'Theirs', Who: 'me' }
    expect(windowsFields({ System, UserData: { Cleared } })).toEqual({ ...HEAD, Who: 'me' })
  })

  it('leaves out the spaces of names, as rules do', () => {
    expect(windowsFields({ System, EventData: { 'New Value': 'on' } })).toEqual({ ...HEAD, NewValue: 'on' })
  })

  it('needs no payload', () => {
    expect(windowsFields({ System, EventData: null })).toEqual(HEAD)
  })
})
