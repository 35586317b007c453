// How long the event loop lets a timer wait.

/** The gaps between two runs of a 1 ms timer while `work` goes on, in ms. */
export async function gaps(work) {
  const found = []
  let last = performance.now()
  const timer = setInterval(() => {
    const now = performance.now()
    found.push(now - last)
    last = now
  }, 1)
  await work()
  clearInterval(timer)
  found.push(performance.now() - last)
  return { ms: 0, gaps: found }
}
