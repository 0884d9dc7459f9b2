/** Work that is done one after the other, whoever asks for it. */
export class InTurn {
  #last: Promise<unknown> = Promise.resolve()

  /** Begins when all that was asked for before is done, well or not. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => {})
    return done
  }

  /** Resolves when everything that was asked for so far is done. */
  async idle(): Promise<void> {
    await this.#last
  }
}
