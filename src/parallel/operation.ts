/**
 * What the packet thread asks of a thread that follows flows: an operation of 64 bytes. All threads count the operations in
 * one order, and by that their results are put together again.
 */

// Doubles of an operation.
/** Its place in the order of all operations. */
export const POSITION = 0
/** Of the packet, or what time it is, in microseconds. */
export const TIME_US = 1
/** Of the packet in its capture. */
export const NUMBER = 2
export const OFFSET = 3

// Words of an operation, behind the doubles.
/** What is to be done, and for a packet, in the next bit, who sent it. */
export const KIND = 8
export const CARRIER = 9
/** The inner packet in the shared bytes. */
export const START = 10
export const END = 11
/** The number of the capture's name, or that of none. */
export const CAPTURE = 12
export const NO_CAPTURE = -1

// Kinds of operation.
export const PACKET = 0
/** All flows of a carrier end. */
export const CARRIER_CLOSED = 1
export const EXPIRE = 2
/** Everything so far is a batch; `TIME_US` is its number. */
export const BATCH = 3
/** Another timeline begins: nothing is known. */
export const RESET = 4
/** All flows end with the sensor. */
export const FINISH = 5
export const SENDER_SHIFT = 3
export const KIND_BITS = 7
