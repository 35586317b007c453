import { expect, test } from 'vitest'
import { Pace } from '../../src/cli/pace.ts'
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

test('outside a terminal long work tells its pace from time to time', async () => {
  const { written, sink } = recorder()
  const reporter = new Reporter({ sink, lineSeconds: 0 })
  await reporter.run(
    'Fitting',
    async (phase) => {
      phase.update(0, 40)
      await new Promise((resolve) => setTimeout(resolve, 20))
      phase.update(20, 40)
      phase.update(25)
    },
    undefined,
    'pairs',
  )
  expect(written).toHaveLength(5)
  expect(written[1]).toBe('Fitting: 0 of 40 pairs\n')
  expect(written[2]).toMatch(/^Fitting: 20 of 40 pairs, \d+ pairs\/s, 0:0\d left\n$/)
  expect(written[3]).toMatch(/^Fitting: 25 pairs, \d+ pairs\/s\n$/)
})

test('the pace is that since the first number, which a checkpoint may have given', () => {
  const pace = new Pace('pairs')
  pace.update(1000, 5000, 0)
  expect(pace.text).toBe('')
  pace.update(1200, 5000, 10_000)
  expect(pace.text).toBe('20 pairs/s, 3:10 left')
  pace.update(1201, 101_201, 67_000)
  expect(pace.text).toBe('3.0 pairs/s, 9:15:34 left')
  pace.update(1202, undefined, 20_000)
  expect(pace.text).toBe('10 pairs/s')
})
