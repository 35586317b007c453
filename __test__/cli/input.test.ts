import { describe, expect, test } from 'vitest'
import { lines } from '../../src/cli/input/lines.ts'
import { formatOf } from '../../src/cli/input/rows.ts'
import { chunks, readPairs, readPairsOrTexts, readTexts } from '../../src/cli/input/texts.ts'
import { temporaryFile } from './temporary.ts'

const { signal } = new AbortController()

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

describe('lines', () => {
  const read = async (content: string | Uint8Array) =>
    (await all(lines(temporaryFile('a.txt', content), signal))).map(({ text }) => text)

  test('end with \\n or \\r\\n and with nothing else', async () => {
    expect(await read('a\r\nb\u2028c\rd\n\ne')).toEqual(['a', 'b\u2028c\rd', '', 'e'])
  })

  test('a last newline starts no line; an empty file has none', async () => {
    expect(await read('a\n')).toEqual(['a'])
    expect(await read('')).toEqual([])
  })

  test('a byte order mark is dropped at the start only', async () => {
    expect(await read('\uFEFFa\n\uFEFFb')).toEqual(['a', '\uFEFFb'])
  })

  test('a line longer than what is read at once stays whole', async () => {
    const long = 'ü'.repeat(300_000)
    expect(await read(`${long}\nb`)).toEqual([long, 'b'])
  })

  test('a line that is not UTF-8 is named', async () => {
    const path = temporaryFile('latin.txt', Buffer.from('ok\ncaf\xe9\n', 'latin1'))
    await expect(all(lines(path, signal))).rejects.toThrow(`${path}:2: not UTF-8`)
  })

  test('a missing file is named', async () => {
    await expect(all(lines('/nowhere/x.txt', signal))).rejects.toThrow('/nowhere/x.txt: no such file')
  })

  test('an aborted signal stops with its reason', async () => {
    const reason = new Error('stop')
    await expect(all(lines('-', AbortSignal.abort(reason)))).rejects.toBe(reason)
  })
})

describe('texts', () => {
  test('of plain lines have their line number as id', async () => {
    const path = temporaryFile('a.txt', 'one\n\nthree')
    const texts = await all(readTexts([path], { signal }))
    expect(texts.map(({ id, text }) => [id, text])).toEqual([
      ['1', 'one'],
      ['2', ''],
      ['3', 'three'],
    ])
    const kept = await all(readTexts([path], { signal, skipBlank: true }))
    expect(kept.map(({ id }) => id)).toEqual(['1', '3'])
  })

  test('of several files have file and line as id', async () => {
    const paths = [temporaryFile('a.txt', 'one'), temporaryFile('b.txt', 'two')]
    expect((await all(readTexts(paths, { signal }))).map(({ id }) => id)).toEqual(paths.map((p) => `${p}:1`))
  })

  test('of JSONL have the id given', async () => {
    const path = temporaryFile('a.jsonl', '{"id":"x","text":"one"}\n{"id":7,"text":"two"}\n"three"\n')
    const texts = await all(readTexts([path], { signal }))
    expect(texts.map(({ id, text }) => [id, text])).toEqual([
      ['x', 'one'],
      ['7', 'two'],
      ['3', 'three'],
    ])
  })

  test.each([
    ['{"text": "ok"}\n{bad', ':2: not JSON'],
    ['{"title": "a"}', ':1: no "text"; found "title"'],
    ['[1]', ':1: a JSON object is expected'],
    ['{"text": "a", "id": []}', ':1: "id" must be'],
  ])('%j is refused with file and line', async (content, message) => {
    const path = temporaryFile('a.jsonl', content)
    await expect(all(readTexts([path], { signal }))).rejects.toThrow(`${path}${message}`)
  })
})

describe('pairs', () => {
  const expected = [
    { query: 'a, b', positive: 'c "d"', negatives: ['e', 'f'] },
    { query: 'q', positive: 'p\nr' },
  ]

  test('of CSV, with quotes, line breaks and columns in any order', async () => {
    const csv = 'positive,negative,Query,negative2,other\r\n"c ""d""",e,"a, b",f,1\n"p\nr",,q,,2\n'
    expect(await all(readPairs([temporaryFile('a.csv', csv)], { signal }))).toEqual(expected)
  })

  test('of JSONL', async () => {
    const jsonl = expected.map((pair) => JSON.stringify(pair)).join('\n')
    expect(await all(readPairs([temporaryFile('a.jsonl', jsonl)], { signal }))).toEqual(expected)
  })

  test('of TSV, where a quote is a character', async () => {
    const tsv = 'query\tpositive\nsay "hi"\t"half\n'
    expect(await all(readPairs([temporaryFile('a.tsv', tsv)], { signal }))).toEqual([
      { query: 'say "hi"', positive: '"half' },
    ])
  })

  test.each([
    ['a.csv', 'query,positive\na,b\nonly one\n', ':3: 1 fields, but the header has 2'],
    [
      'a.csv',
      'a red house,Ein rotes Haus\n',
      ':1: the first line must name the columns: query, positive (found "a red house", "Ein rotes Haus")',
    ],
    ['a.tsv', 'query\tanswer\na\tb\n', ':1: the first line must name the columns: query, positive (found'],
    ['a.csv', 'query,positive\na,"open\n', ':2: Quote Not Closed'],
    ['a.tsv', 'query\tpositive\na\t \n', ':2: "positive" is empty'],
    ['a.jsonl', '{"query":"a","positive":"b","negatives":[1]}', ':1: "negatives" must be a list of texts'],
  ])('%s %j is refused with file and line', async (name, content, message) => {
    const path = temporaryFile(name, content)
    await expect(all(readPairs([path], { signal }))).rejects.toThrow(`${path}${message}`)
  })

  test('or texts, of a table whose first line names neither, are refused with that line', async () => {
    const path = temporaryFile('a.csv', 'title\na\n')
    const message = `${path}:1: the first line must name the columns: query, positive; or text (found "title")`
    await expect(all(readPairsOrTexts([path], { signal }))).rejects.toThrow(message)
  })

  test('are not mixed with texts', async () => {
    const path = temporaryFile('a.jsonl', '{"text":"a"}\n{"query":"b","positive":"c"}')
    await expect(all(readPairsOrTexts([path], { signal }))).rejects.toThrow(`${path}:2: a pair among texts`)
  })
})

test('the format is told by the name', () => {
  expect(['a.jsonl', 'a.NDJSON', 'b.csv', 'c.tsv', 'd.txt', '-', 'noext'].map(formatOf)).toEqual([
    'jsonl',
    'jsonl',
    'csv',
    'tsv',
    'lines',
    'lines',
    'lines',
  ])
})

test('chunks keep the order and lose nothing', async () => {
  async function* numbers() {
    yield* [1, 2, 3, 4, 5]
  }
  expect(await all(chunks(numbers(), 2))).toEqual([[1, 2], [3, 4], [5]])
})
