/** Short sleeps one after the other, on one timer that is wound up again: to make one takes longer than to wake up. */
export class Nap {
  #timer: NodeJS.Timeout | null = null
  #milliseconds = 0
  #wake: () => void = () => {}

  /** Takes the place of one that is not over yet, which never ends then: whoever waits for several things at once waits anew. */
  take(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve
      if (this.#timer !== null && milliseconds === this.#milliseconds) this.#timer.refresh()
      else {
        this.#milliseconds = milliseconds
        this.#timer = setTimeout(() => this.#wake(), milliseconds)
      }
    })
  }
}
