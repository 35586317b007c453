import { expect, test } from 'vitest'
import { Reporter } from '../../src/cli/progress.ts'

function recorder() {
  const written: string[] = []
  return { written, sink: { write: (text: string) => written.push(text) } }
}

test('outside a terminal a phase is two plain lines', async () => {
  const { written, sink } = recorder()
  const reporter = new Reporter({ sink })
  await reporter.run(
    'Fitting',
    async (phase) => phase.update(3, 4),
    () => '4 texts',
  )
  expect(written[0]).toBe('Fitting …\n')
  expect(written[1]).toMatch(/^Fitting: 4 texts, \d+\.\d s\n$/)
  expect(written).toHaveLength(2)
  expect(reporter.times.map(({ phase }) => phase)).toEqual(['Fitting'])
})

test('a quiet reporter writes nothing and still keeps time', async () => {
  const { written, sink } = recorder()
  const reporter = new Reporter({ quiet: true, sink })
  await reporter.run('Fitting', async () => {})
  reporter.line('more')
  expect(written).toEqual([])
  expect(reporter.times).toHaveLength(1)
})

test('a failure of the work comes through', async () => {
  const reporter = new Reporter({ sink: recorder().sink })
  await expect(reporter.run('Fitting', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(reporter.times).toEqual([])
})
