/** RC4, which OpenSSL 3 hides in a provider that nobody loads: MPPE is made of it. */

export class Rc4 {
  readonly #table = new Uint8Array(256)
  #i = 0
  #j = 0

  /** Starts the key stream of these octets, of which there is at least one. */
  start(key: Uint8Array, length: number = key.length): void {
    const table = this.#table
    for (let i = 0; i < 256; i++) table[i] = i
    for (let i = 0, j = 0; i < 256; i++) {
      const octet = table[i]
      j = (j + octet + key[i % length]) & 0xff
      table[i] = table[j]
      table[j] = octet
    }
    this.#i = 0
    this.#j = 0
  }

  copyFrom(other: Rc4): void {
    this.#table.set(other.#table)
    this.#i = other.#i
    this.#j = other.#j
  }

  /** Encrypts or decrypts, which is the same. `target` may be the source. */
  apply(source: Uint8Array, start: number, end: number, target: Uint8Array, targetStart: number): void {
    const table = this.#table
    let i = this.#i
    let j = this.#j
    for (let at = start, to = targetStart; at < end; at++, to++) {
      i = (i + 1) & 0xff
      const octet = table[i]
      j = (j + octet) & 0xff
      table[i] = table[j]
      table[j] = octet
      target[to] = source[at] ^ table[(table[i] + octet) & 0xff]
    }
    this.#i = i
    this.#j = j
  }
}
