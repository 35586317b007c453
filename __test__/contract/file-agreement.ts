/** Two implementations write the same files, and each opens what the other wrote: bases and journals. */

import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Api, batch, ids, manyRows } from './fixtures.ts'
import { KEPT } from './storage.ts'

export function fileAgreement(names: string, one: Api, other: Api): void {
  describe(`agreement of files: ${names}`, () => {
    let folder: string
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'uec-agreement-'))
    })
    afterAll(() => rm(folder, { recursive: true }))
    const rows = batch(one, manyRows(300, 5))
    const all = ['', 'ä', '🙂', ...ids(297)]

    describe.each(KEPT)('$storage, prefilter $prefilter', (kept) => {
      test('the same index gives the same bytes, and each opens those of the other', async () => {
        const files = [join(folder, 'one.uec'), join(folder, 'other.uec')]
        for (const [i, api] of [one, other].entries()) {
          using index = new api.GaussianIndex({ dimension: 5, fingerprint: 'ensemble', ...kept })
          await index.add(all, rows)
          await index.remove(['d7'])
          await index.save(files[i]!)
        }
        expect(await readFile(files[0]!)).toEqual(await readFile(files[1]!))
        const opened = await Promise.all(
          [other, one].map((api, i) => api.GaussianIndex.open(files[i]!, { readonly: true })),
        )
        for (const index of opened) {
          expect(index.ids()).toEqual(all.filter((id) => id !== 'd7'))
          expect(index.fingerprint).toBe('ensemble')
          if (kept.storage === 'float32') expect(index.get('🙂')).toEqual(rows.at(2))
          expect(index.get('d200')).toEqual(opened[0]!.get('d200'))
          await index.verify()
        }
        for (const index of opened) index.dispose()
      })

      test('each goes on with the journal of the other', async () => {
        const [file, twin] = [join(folder, 'journal.uec'), join(folder, 'twin.uec')]
        using empty = new one.GaussianIndex({ dimension: 5, ...kept })
        await empty.save(file)
        const apis = [one, other, one, other, one]
        for (const [i, api] of apis.entries()) {
          using index = await api.GaussianIndex.open(file)
          await index.add(all.slice(20 * i, 20 * i + 30), rows.slice(20 * i, 20 * i + 30))
          await index.remove(all.slice(30 * i, 30 * i + 5))
        }
        await copyFile(file, twin)
        await copyFile(`${file}.journal`, `${twin}.journal`)
        for (const [api, path] of [
          [one, file],
          [other, twin],
        ] as const) {
          using index = await api.GaussianIndex.open(path)
          await index.save(path)
        }
        expect(await readFile(file)).toEqual(await readFile(twin))
        expect(await readFile(`${file}.journal`)).toEqual(await readFile(`${twin}.journal`))
      })

      test('rows of any size are encoded to the same bytes', async () => {
        const size = fc.oneof(
          fc.float({ noNaN: true, noDefaultInfinity: true }),
          fc.float({ noNaN: true, min: -1, max: 1 }),
          fc.constantFrom(0, -0, 2 ** -149, -(2 ** -126), 1, -127, 0.5, 2.5, 3.4028234663852886e38),
        )
        const row = fc.record({
          mean: fc.array(size, { minLength: 6, maxLength: 6 }),
          variance: fc.array(size.map(Math.abs), { minLength: 6, maxLength: 6 }),
        })
        const property = fc.asyncProperty(row, async (row) => {
          const files = [join(folder, 'a.uec'), join(folder, 'b.uec')]
          const outcomes = await Promise.all(
            [one, other].map(async (api, i) => {
              using index = new api.GaussianIndex({ dimension: 6, ...kept })
              const added = await index.add(['id'], batch(api, [row])).then(
                () => 'added',
                (error: { code: string }) => error.code,
              )
              await index.save(files[i]!)
              return added
            }),
          )
          expect(outcomes[0]).toBe(outcomes[1])
          expect(await readFile(files[0]!)).toEqual(await readFile(files[1]!))
        })
        await fc.assert(property, { numRuns: 150 })
      })
    })
  })
}
