/** Index files: what was saved comes back; damaged, missing and foreign files are coded errors. */

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TrustedGaussians } from '../../src/gaussian-batch.ts'
import { type Api, batch, expectCode, ids, manyRows } from './fixtures.ts'

export function fileContract(api: Api): void {
  describe('index files', () => {
    let folder: string
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'uec-index-'))
    })
    afterAll(() => rm(folder, { recursive: true }))

    const rows = batch(api, manyRows(600, 5))
    const names = ['', 'ä', '日本', '🙂', ...ids(596)]
    const saved = async (file: string, fingerprint?: string) => {
      using index = new api.GaussianIndex({ dimension: 5, ...(fingerprint && { fingerprint }) })
      await index.add(names, rows)
      await index.save(file)
      return index.search(rows.slice(0, 3))
    }

    test('keep rows, ids, order and fingerprint', async () => {
      const file = join(folder, 'all.uec')
      const expected = await saved(file, 'of the ensemble')
      using index = await api.GaussianIndex.open(file)
      expect(index.dimension).toBe(5)
      expect(index.fingerprint).toBe('of the ensemble')
      expect(index.ids()).toEqual(names)
      expect(index.get('日本')).toEqual(rows.at(2))
      expect(await index.search(rows.slice(0, 3))).toEqual(expected)
      await index.verify()
      await index.add(['new'], rows.slice(0, 1))
      await index.save(file)
      using again = await api.GaussianIndex.open(file, { readonly: true })
      expect(again.size).toBe(601)
      const beside = (await readdir(folder)).filter((name) => name !== 'all.uec.journal')
      expect(beside).toEqual(['all.uec'])
    })

    test('of an empty index without a fingerprint', async () => {
      const file = join(folder, 'empty.uec')
      using index = new api.GaussianIndex({ dimension: 7 })
      await index.save(file)
      using opened = await api.GaussianIndex.open(file)
      expect([opened.dimension, opened.size, opened.fingerprint]).toEqual([7, 0, undefined])
    })

    test('opened readonly refuse changes', async () => {
      const file = join(folder, 'readonly.uec')
      await saved(file)
      using index = await api.GaussianIndex.open(file, { readonly: true })
      await expectCode(index.add(['x'], rows.slice(0, 1)), 'ERR_INVALID_ARGUMENT', /readonly/)
      await expectCode(index.remove(['ä']), 'ERR_INVALID_ARGUMENT', /readonly/)
      expect((await index.search(rows.slice(0, 1))).of(0)).toHaveLength(10)
    })

    test('that are missing, foreign, cut off or altered', async () => {
      const open = (file: string) => api.GaussianIndex.open(join(folder, file))
      await expectCode(open('missing.uec'), 'ERR_FILE_NOT_FOUND', /missing\.uec/)
      await expectCode(open('missing/folder.uec'), 'ERR_FILE_NOT_FOUND')
      await saved(join(folder, 'sound.uec'))
      const sound = await readFile(join(folder, 'sound.uec'))
      const damages: [string, Buffer][] = [
        ['empty', Buffer.alloc(0)],
        ['text', Buffer.from('version https://git-lfs.github.com/spec/v1\n'.repeat(9))],
        ['zeros', Buffer.alloc(4096)],
        ['longer', Buffer.concat([sound, Buffer.alloc(1)])],
        ...[1, 8, 16, 60, sound.length >> 1, sound.length - 1].map(
          (length) => [`cut at ${length}`, sound.subarray(0, length)] as [string, Buffer],
        ),
      ]
      for (const at of [0, 3, 40, 100, sound.length >> 1, sound.length - 20, sound.length - 1]) {
        const altered = Buffer.from(sound)
        altered[at]! ^= 0x10
        damages.push([`altered at ${at}`, altered])
      }
      for (const [name, content] of damages) {
        await writeFile(join(folder, 'damaged.uec'), content)
        const error = await open('damaged.uec').then(
          () => undefined,
          (reason: unknown) => reason,
        )
        expect(error, name).toMatchObject({ code: 'ERR_FILE_CORRUPT' })
      }
    })

    test('that cannot be written', async () => {
      using index = new api.GaussianIndex({ dimension: 2 })
      await expectCode(index.save(join(folder, 'no', 'such', 'folder.uec')), 'ERR_FILE_WRITE')
      await expectCode(index.save(folder), 'ERR_FILE_WRITE')
      // biome-ignore lint/suspicious/noExplicitAny: wrong arguments on purpose
      await expectCode(index.save(3 as any), 'ERR_INVALID_ARGUMENT')
      // biome-ignore lint/suspicious/noExplicitAny: wrong arguments on purpose
      await expectCode(api.GaussianIndex.open(undefined as any), 'ERR_INVALID_ARGUMENT')
      await expectCode(
        // biome-ignore lint/suspicious/noExplicitAny: wrong arguments on purpose
        api.GaussianIndex.open('x', { readOnly: true } as any),
        'ERR_INVALID_ARGUMENT',
        /'readonly'/,
      )
    })
  })

  describe('fingerprints', () => {
    test('of another ensemble are refused on add and search; unknown ones pass', async () => {
      const { mean, variance } = batch(api, manyRows(2, 3))
      const of = (fingerprint?: string) =>
        new api.GaussianBatch(new TrustedGaussians(mean, variance, 3, fingerprint))
      using index = new api.GaussianIndex({ dimension: 3, fingerprint: 'one' })
      await index.add(['a', 'b'], of('one'))
      await index.add(['c', 'd'], of())
      await expectCode(index.add(['e', 'f'], of('two')), 'ERR_POSTERIOR_MISMATCH')
      await expectCode(index.search(of('two')), 'ERR_POSTERIOR_MISMATCH')
      await expectCode(index.search(of('two').slice(1)), 'ERR_POSTERIOR_MISMATCH')
      expect((await index.search(of('one'))).of(0)).toHaveLength(4)
      using open = new api.GaussianIndex({ dimension: 3 })
      await open.add(['a', 'b'], of('two'))
      expect(open.size).toBe(2)
    })
  })
}
