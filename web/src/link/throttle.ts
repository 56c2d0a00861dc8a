export interface Throttled {
  (): void
  cancel(): void
}

// Calls `work` at once, then at most every `wait` milliseconds, and always once after the last call.
export function throttled(wait: number, work: () => void): Throttled {
  let timer: ReturnType<typeof setTimeout> | undefined
  let again = false
  const tick = () => {
    timer = undefined
    if (again) call()
  }
  const call = () => {
    if (timer !== undefined) {
      again = true
      return
    }
    again = false
    timer = setTimeout(tick, wait)
    work()
  }
  return Object.assign(call, {
    cancel: () => {
      clearTimeout(timer)
      timer = undefined
      again = false
    },
  })
}
