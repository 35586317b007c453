/** What is acknowledged stays: the journal of an opened index, its torn ends and its damage, saves that do not finish, locks. */

import { chmod, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type Api, batch, expectCode } from './fixtures.ts'
import { committed, ends, HEADER, identityOf, record } from './journal-bytes.ts'

export function journalContract(api: Api): void {
  let folder: string
  let file: string
  let journal: string
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'uec-journal-'))
  })
  afterAll(() => rm(folder, { recursive: true }))

  const rows = (...values: number[]) =>
    batch(
      api,
      values.map((x) => ({ mean: [x, 1, -x], variance: [x / 2, 0, 0.25] })),
      3,
    )
  type Index = InstanceType<Api['GaussianIndex']>
  const content = (index: Index) => index.ids().map((id) => [id, index.get(id)!.mean[0]])
  const open = (options?: { readonly: boolean }) => api.GaussianIndex.open(file, options)
  const saved = async (...entries: [string, number][]) => {
    using index = new api.GaussianIndex({ dimension: 3, fingerprint: 'f' })
    await index.add(
      entries.map(([id]) => id),
      rows(...entries.map(([, x]) => x)),
    )
    await index.save(file)
    return readFile(file)
  }
  /** A base of a, b and four changes to it; what the index holds after each. */
  const STATES: [string, number][][] = [
    [
      ['a', 1],
      ['b', 2],
    ],
    [
      ['a', 1],
      ['b', 2],
      ['ä', 3],
    ],
    [
      ['b', 2],
      ['ä', 3],
    ],
    [
      ['b', 9],
      ['ä', 3],
      ['', 4],
    ],
    [
      ['b', 9],
      ['', 4],
    ],
  ]
  const changed = async () => {
    const base = await saved(...STATES[0]!)
    using index = await open()
    await index.add(['ä'], rows(3))
    expect(await index.remove(['a'])).toBe(1)
    await index.add(['b', ''], rows(9, 4))
    await index.remove(['ä'])
    expect(content(index)).toEqual(STATES[4])
    return { base, written: await readFile(journal) }
  }
  const put = async (base: Buffer, beside: Buffer) => {
    await writeFile(file, base)
    await writeFile(journal, beside)
  }
  let count = 0
  beforeEach(() => {
    file = join(folder, `${count++}.uec`)
    journal = `${file}.journal`
  })

  describe('the journal', () => {
    test('has the documented layout', async () => {
      const { base, written } = await changed()
      expect(written.toString('latin1', 0, 8)).toBe('UECJRNAL')
      expect([8, 12].map((at) => written.readUInt32LE(at))).toEqual([1, 0])
      expect(written.subarray(16, 48)).toEqual(identityOf(base))
      expect(written.readUInt32LE(48)).toBe(crc32(written.subarray(0, 48)))
      expect(written).toEqual(committed(written, written.length))
      const mean = [3, 1, -3]
      const variance = [1.5, 0, 0.25]
      const add = Buffer.alloc(40)
      for (const [i, x] of [1, 0, 2].entries()) add.writeUInt32LE(x, 4 * i)
      add.write('ä', 12)
      for (const [i, x] of [...mean, ...variance].entries()) add.writeFloatLE(x, 16 + 4 * i)
      const remove = Buffer.alloc(16)
      for (const [i, x] of [1, 0, 1].entries()) remove.writeUInt32LE(x, 4 * i)
      remove.write('a', 12)
      const records = [record(identityOf(base), 1, add), record(identityOf(base), 2, remove)]
      const [start, , end] = ends(written)
      expect(written.subarray(start, end)).toEqual(Buffer.concat(records))
    })

    test('keeps what was acknowledged, for writers and readers, until it is compacted', async () => {
      await changed()
      using reader = await open({ readonly: true })
      expect(content(reader)).toEqual(STATES[4])
      using index = await open()
      expect(content(index)).toEqual(STATES[4])
      const hits = await index.search(rows(9), { score: 'wasserstein2' })
      await index.save(file)
      expect((await stat(journal)).size).toBe(HEADER)
      expect((await readFile(journal)).subarray(16, 48)).toEqual(identityOf(await readFile(file)))
      await index.add(['z'], rows(7))
      using again = await open({ readonly: true })
      expect(content(again)).toEqual([...STATES[4]!, ['z', 7]])
      expect((await again.search(rows(9), { score: 'wasserstein2', filter: ['b', ''] })).of(0)).toEqual(
        hits.of(0),
      )
    })

    test('says nothing of a change of nothing', async () => {
      const { written } = await changed()
      using index = await open()
      await index.add([], rows())
      expect(await index.remove(['unknown'])).toBe(0)
      await expectCode(index.add(['x', 'x'], rows(1, 2)), 'ERR_INVALID_ARGUMENT')
      expect(await readFile(journal)).toEqual(written)
    })

    test('that was torn while it was written keeps the whole records before', async () => {
      const { base, written } = await changed()
      const boundaries = ends(written)
      for (let length = HEADER; length <= written.length; length++) {
        const whole = boundaries.findLastIndex((end) => end <= length)
        // As a crash leaves it before the length of the last record is committed.
        await put(base, committed(written.subarray(0, length), boundaries[Math.max(0, whole - 1)]!))
        if (length % 3 === 0) {
          using reader = await open({ readonly: true })
          expect(content(reader), `${length} bytes`).toEqual(STATES[whole])
          expect((await stat(journal)).size).toBe(length)
        }
        if (length % 7 > 0 && length !== boundaries[whole]) continue
        using index = await open()
        expect(content(index), `${length} bytes`).toEqual(STATES[whole])
        expect((await stat(journal)).size).toBe(boundaries[whole])
        await index.add(['new'], rows(5))
        using reader = await open({ readonly: true })
        expect(content(reader)).toEqual([...STATES[whole]!, ['new', 5]])
      }
    })

    test('with a damaged tail that nobody was told of is cut; an acknowledged change is not', async () => {
      const { base, written } = await changed()
      const boundaries = ends(written)
      const last = boundaries.at(-2)!
      for (let at = last; at < written.length; at += 3) {
        const altered = committed(written, last)
        altered[at]! ^= 0x40
        await put(base, altered)
        using reader = await open({ readonly: true })
        expect(content(reader), `byte ${at}`).toEqual(STATES[3])
      }
      for (let at = 0; at < written.length; at += 5) {
        const altered = Buffer.from(written)
        altered[at]! ^= 0x40
        await put(base, altered)
        const code = at >= 8 && at < 12 ? 'ERR_FILE_VERSION' : 'ERR_FILE_CORRUPT'
        await expectCode(open({ readonly: at % 2 === 0 }), code)
        expect(await readFile(journal), 'nothing is mended').toEqual(altered)
      }
      for (const length of [1, 11, 12, 63, written.length - 1]) {
        await put(base, written.subarray(0, length))
        await expectCode(open(), 'ERR_FILE_CORRUPT')
      }
    })

    test('that is new, empty or zeros counts for nothing', async () => {
      const base = await saved(...STATES[0]!)
      for (const length of [0, HEADER]) {
        await put(base, Buffer.alloc(length))
        using reader = await open({ readonly: true })
        expect(content(reader)).toEqual(STATES[0])
        using index = await open()
        await index.add(['ä'], rows(3))
        using again = await open({ readonly: true })
        expect(content(again)).toEqual(STATES[1])
      }
    })

    test.each<[string, (identity: Buffer) => Buffer]>([
      ['an add of no rows', (identity) => record(identity, 1, Buffer.alloc(8))],
      ['a remove that is cut off', (identity) => record(identity, 2, Buffer.from([9, 0, 0, 0, 0, 0, 0, 0]))],
      ['more ids than bytes', (identity) => record(identity, 2, Buffer.alloc(16, 255).fill(0, 4, 8))],
      ['a compacted record of another length', (identity) => record(identity, 3, Buffer.alloc(8))],
    ])('with right checksums and %s is refused', async (_, made) => {
      const { base, written } = await changed()
      await put(base, Buffer.concat([written, made(identityOf(base))]))
      await expectCode(open({ readonly: true }), 'ERR_FILE_CORRUPT')
    })
  })

  describe('a save that did not finish', () => {
    const both = async () => {
      const { base, written } = await changed()
      using index = await open({ readonly: true })
      const other = join(folder, 'whole.uec')
      await index.save(other)
      const next = await readFile(other)
      const announced = Buffer.concat([written, record(identityOf(base), 3, identityOf(next))])
      return { base, next, written, announced }
    }

    test('before its rename changes nothing', async () => {
      const { base, written, announced } = await both()
      await put(base, announced)
      using reader = await open({ readonly: true })
      expect(content(reader)).toEqual(STATES[4])
      using index = await open()
      expect(content(index)).toEqual(STATES[4])
      expect(await readFile(journal)).toEqual(written)
      await index.add(['z'], rows(7))
      using again = await open({ readonly: true })
      expect(again.size).toBe(3)
    })

    test('after its rename has nothing left to do', async () => {
      const { next, announced } = await both()
      await put(next, announced)
      using reader = await open({ readonly: true })
      expect(content(reader)).toEqual(STATES[4])
      using index = await open()
      expect(content(index)).toEqual(STATES[4])
      expect((await stat(journal)).size).toBe(HEADER)
    })

    test('is not taken for a base that was put in place by hand', async () => {
      const { written } = await both()
      const foreign = await saved(['x', 1])
      await put(foreign, written)
      for (const readonly of [true, false]) {
        await expectCode(open({ readonly }), 'ERR_FILE_CORRUPT', /journal/)
        expect(await readFile(journal)).toEqual(written)
      }
      using other = new api.GaussianIndex({ dimension: 3 })
      await expectCode(other.save(file), 'ERR_FILE_CORRUPT', /delete/)
      await rm(file)
      await expectCode(other.save(file), 'ERR_FILE_CORRUPT', /delete/)
      expect(await readFile(journal)).toEqual(written)
      // Without changes nothing is lost.
      await put(foreign, committed(written.subarray(0, HEADER), HEADER))
      using index = await open()
      expect(content(index)).toEqual([['x', 1]])
    })
  })

  describe('saving over a file', () => {
    test.skipIf(process.platform === 'win32')(
      'that is private keeps it private, as its journal',
      async () => {
        await saved(...STATES[0]!)
        await chmod(file, 0o600)
        using index = await open()
        await index.add(['z'], rows(7))
        await index.save(file)
        for (const name of [file, journal]) expect((await stat(name)).mode & 0o777).toBe(0o600)
      },
    )

    test('with a journal that nobody holds leaves the new rows alone', async () => {
      await changed()
      using index = new api.GaussianIndex({ dimension: 3 })
      await index.add(['x'], rows(6))
      await index.save(file)
      expect((await stat(journal)).size).toBe(HEADER)
      using opened = await open()
      expect(content(opened)).toEqual([['x', 6]])
    })

    test('of another dimension replaces it', async () => {
      await changed()
      using index = new api.GaussianIndex({ dimension: 2 })
      await index.add(['x'], batch(api, [{ mean: [1, 2], variance: [1, 1] }]))
      await index.save(file)
      using opened = await open()
      expect([opened.dimension, opened.size]).toEqual([2, 1])
    })

    test('with a damaged journal is refused and changes nothing', async () => {
      const { base, written } = await changed()
      written[20]! ^= 1
      await put(base, written)
      using index = new api.GaussianIndex({ dimension: 3 })
      await expectCode(index.save(file), 'ERR_FILE_CORRUPT')
      expect(await readFile(file)).toEqual(base)
      expect(await readFile(journal)).toEqual(written)
    })

    test('elsewhere leaves the opened file and its journal alone', async () => {
      const { base, written } = await changed()
      using index = await open()
      await index.save(join(folder, 'elsewhere.uec'))
      expect(await readFile(file)).toEqual(base)
      expect(await readFile(journal)).toEqual(written)
      await index.add(['z'], rows(7))
      expect((await stat(journal)).size).toBeGreaterThan(written.length)
    })
  })

  describe('the lock', () => {
    test('lets one write and any number read', async () => {
      await changed()
      const first = await open()
      await expectCode(open(), 'ERR_FILE_LOCKED')
      await symlink(file, `${file}.link`)
      await expectCode(api.GaussianIndex.open(`${file}.link`), 'ERR_FILE_LOCKED')
      using reader = await open({ readonly: true })
      using other = new api.GaussianIndex({ dimension: 3 })
      await expectCode(other.save(file), 'ERR_FILE_LOCKED')
      await expectCode(reader.save(file), 'ERR_FILE_LOCKED')
      expect(first.readonly).toBe(false)
      expect(reader.readonly).toBe(true)
      await first.add(['z'], rows(7))
      first.dispose()
      using second = await open()
      expect(second.size).toBe(3)
    })

    test('is kept until the calls made before dispose have finished', async () => {
      await changed()
      const first = await open()
      const adding = first.add(['z'], rows(7))
      first.dispose()
      await adding
      using second = await open()
      expect(second.has('z')).toBe(true)
    })

    test('is let go before an open that is aborted rejects', async () => {
      using index = new api.GaussianIndex({ dimension: 3 })
      const many = Array.from({ length: 20_000 }, (_, i) => i + 1)
      await index.add(many.map(String), rows(...many))
      await index.save(file)
      for (const delay of [0, 1, 2, 4, 8, 16, 32]) {
        const controller = new AbortController()
        const opening = api.GaussianIndex.open(file, { signal: controller.signal })
        setTimeout(() => controller.abort('stop'), delay)
        const opened = await opening.catch((reason: unknown) => {
          expect(reason).toBe('stop')
        })
        opened?.dispose()
        ;(await open()).dispose()
      }
    })

    test('is not left behind by an open that fails', async () => {
      const { base, written } = await changed()
      await put(base.subarray(0, 300), written)
      await expectCode(open(), 'ERR_FILE_CORRUPT')
      await put(base, written)
      using index = await open()
      expect(index.size).toBe(2)
    })
  })
}
