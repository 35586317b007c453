// uec as users call it, beside the alternatives, each in a process of its own and with the same number of threads.
import { BATCH, DIMENSION } from '../bench.mjs'
import { during } from '../measure/child.mjs'
import { speedup } from '../measure/statistics.mjs'

/** Plain JS takes minutes for 64 queries over a million rows; the time grows with the rows, so fewer say the same. */
const FEW = 50_000

/** By peer: its rows of the table, as [id, queries, the peer's request]. */
const PEERS = [
  { name: 'uec/pure', rows: [['pure', 1]] },
  { name: 'uec/pure', few: true, rows: [['pure-batch', BATCH]] },
  { name: 'simsimd', rows: [['simsimd', 1]] },
  {
    name: 'onnxruntime',
    rows: [
      ['onnxruntime', 1],
      ['onnxruntime-batch', BATCH],
    ],
  },
  {
    name: 'numpy',
    rows: [
      ['numpy', 1],
      ['numpy-batch', BATCH],
      ['numpy-products-1', BATCH, 'products'],
    ],
  },
  { name: 'numpy', threads: 2, rows: [['numpy-products-2', BATCH, 'products']] },
  {
    name: 'usearch',
    score: 'cosine',
    rows: [
      ['usearch-1', 1],
      ['usearch-batch', BATCH],
    ],
  },
  { name: 'usearch', score: 'cosine', threads: 2, rows: [['usearch-2', 1]] },
  {
    name: 'faiss',
    score: 'cosine',
    rows: [
      ['faiss', 1, 'means'],
      ['faiss-batch', BATCH, 'means'],
    ],
  },
]

export const rows = PEERS.flatMap((peer) => peer.rows.map(([id]) => id))

async function start(bench, name, threads) {
  if (name === 'uec/pure') return bench.uec(name, threads)
  return name === 'numpy' || name === 'faiss' ? bench.python(threads) : bench.node(`peers/${name}.mjs`)
}

export async function run(bench) {
  const folder = await bench.data('clustered')
  for (const threads of [1, 2]) {
    for (const few of [false, true]) {
      const peers = PEERS.filter((peer) => (peer.threads ?? 1) === threads && (peer.few ?? false) === few)
      const wanted = peers.filter((peer) => peer.rows.some(([id]) => bench.wants(id)))
      if (wanted.length === 0) continue
      const data = { folder, rows: few ? Math.min(FEW, bench.rows) : bench.rows, dimension: DIMENSION }
      await during(bench.uec('uec', threads), async (ours) => {
        bench.progress.phase(`loading ${data.rows} rows`)
        await ours.ask({ do: 'load', name: 'a', ...data })
        for (const peer of wanted)
          await bench.attempt(
            peer.rows.map(([id]) => id),
            () =>
              during(start(bench, peer.name, threads), (theirs) =>
                against(bench, { peer, ours, theirs, threads, data }),
              ),
          )
      })
    }
  }
}

async function against(bench, { peer, ours, theirs, threads, data }) {
  bench.progress.phase(`loading ${peer.name}`)
  await theirs.ask({ do: 'load', name: 'a', what: peer.name, ...data })
  for (const [id, queries, request = 'search'] of peer.rows) {
    const { score = 'uec' } = peer
    const asked = { name: 'a', folder: data.folder, queries, k: 10, threads, score }
    const works = {
      ours: (round) => ours.ask({ do: 'search', ...asked, first: round }),
      theirs: (round) => theirs.ask({ do: request, ...asked, first: round }),
    }
    await bench.measure(id, works, (answers) => ({
      value: speedup(answers.ours, answers.theirs),
      rows: data.rows,
    }))
  }
}
