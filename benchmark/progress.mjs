// What is being done, on standard error: in place on a terminal, otherwise a line per row.
const terminal = process.stderr.isTTY
const started = performance.now()

let current = ''

function show(text, end) {
  const seconds = ((performance.now() - started) / 1000).toFixed(0).padStart(4)
  if (terminal) process.stderr.write(`\r\u001b[K${seconds} s  ${text}${end ? '\n' : ''}`)
  else if (end) process.stderr.write(`${seconds} s  ${text}\n`)
}

export const progress = {
  phase: (text) => show(text, !terminal),
  row(id, what) {
    current = `${id}: ${what}`
    show(current, !terminal)
  },
  round: (done, of) => show(`${current}: ${done} of ${of} rounds`, false),
  end: () => terminal && process.stderr.write('\r\u001b[K'),
}
