/** Long work in steps, which who has something else to do takes one at a time. */

/** Takes all that are left, and gives what comes of them. */
export function resultOf<T>(steps: Generator<void, T>): T {
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}
