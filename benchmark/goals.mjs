// The rows of the table: what is measured, against what, and what must and should be reached.
//
// unit '×': how many times as fast as the yardstick; '%': of the yardstick's rate; and, the smaller the better, 'ms': a time;
// '% over': bytes or time above the yardstick's; '× time': how many times the yardstick's time. A row without `must` is
// reported for comparison alone.

const goal = (id, work, against, unit, must, aim) => ({ id, work, against, unit, must, aim })
const one = 'search, 1 query'
const many = 'search, 64 queries'
const curvature = 'curvature, 32 pairs of 8 tokens, 384 × 1 536'
const fit = 'fit 4 096 pairs on the English encoder, 2 threads'

export const GOALS = [
  goal('fused-1', `${one}, float32, every μ and v read, 1 thread`, 'read bandwidth, 1 thread', '%', 85, 93),
  goal('fused-2', `${one}, float32, every μ and v read, 2 threads`, 'read bandwidth, 2 threads', '%', 85, 93),
  goal('certified', `${one}, float32, certified`, 'own fused pass', '×', 1.8, 2),
  goal('certified-uniform', `${one}, float32, certified, unclustered rows`, 'own fused pass', '×', 1.8, 2),
  goal('float16', `${one}, float16`, 'own float32', '×', 1.9, 2),
  goal('int8', `${one}, int8`, 'own float32', '×', 3.2, 4),
  goal('prefilter', `${one}, float32 with int8 prefilter`, 'own float32 fused', '×', 3, 5),
  goal(
    'prefilter-uniform',
    `${one}, float32 with int8 prefilter, unclustered rows`,
    'own float32 fused',
    '×',
    3,
    5,
  ),
  goal('batch-1', `${many}, float32, 3 products, 1 thread`, 'FMA peak, 1 thread', '%', 60, 75),
  goal('batch-2', `${many}, float32, 3 products, 2 threads`, 'FMA peak, 2 threads', '%', 60, 75),
  goal('batch-certified', `${many}, float32, certified`, 'own 3 products', '×'),
  goal('batch-threads', `${many}, float32, 2 threads`, '1 thread', '×', 1.8, 1.95),
  goal('all-pairs-1', 'all pairs, 1 000 × 1 000 × 384, 1 thread', 'FMA peak, 1 thread', '%', 60, 75),
  goal('all-pairs-2', 'all pairs, 1 000 × 1 000 × 384, 2 threads', 'FMA peak, 2 threads', '%', 60, 75),
  goal('all-pairs-threads', 'all pairs, 2 threads', '1 thread', '×', 1.8, 1.95),
  goal('pure', one, 'plain JS (uec/pure)', '×', 5, 10),
  goal('pure-batch', many, 'plain JS (uec/pure)', '×', 40, 60),
  goal('simsimd', one, 'simsimd: three dots, formula in JS', '×', 2, 5),
  goal('onnxruntime', one, 'ONNX Runtime, the formula as a graph', '×'),
  goal('onnxruntime-batch', many, 'ONNX Runtime, the formula as a graph', '×'),
  goal('numpy', one, 'NumPy: three products, formula, top k', '×'),
  goal('numpy-products-1', `${many}, 1 thread`, 'NumPy: the three products alone, 1 thread', '×', 2, 3),
  goal('numpy-products-2', `${many}, 2 threads`, 'NumPy: the three products alone, 2 threads', '×', 2, 3),
  goal('numpy-batch', many, 'NumPy: three products, formula, top k', '×'),
  goal('usearch-1', 'means only (cosine), 1 query, 1 thread', 'usearch, exact, 1 thread', '×', 1, 1.3),
  goal('usearch-2', 'means only (cosine), 1 query, 2 threads', 'usearch, exact, 2 threads', '×', 1, 1.3),
  goal('usearch-batch', 'means only (cosine), 64 queries, 1 thread', 'usearch, exact, 1 thread', '×', 1, 1.3),
  goal('faiss', 'means only (cosine), 1 query', 'faiss, flat', '×'),
  goal('faiss-batch', 'means only (cosine), 64 queries', 'faiss, flat', '×'),
  goal('curvature-1', `${curvature}, 1 thread`, 'FMA peak, 1 thread', '%', 55, 70),
  goal('curvature-2', `${curvature}, 2 threads`, 'FMA peak, 2 threads', '%', 55, 70),
  goal('curvature-threads', `${curvature}, 2 threads`, '1 thread', '×', 1.8, 1.95),
  goal('curvature-ggn', 'the same, generalised Gauss-Newton', 'own empirical Fisher', '× time'),
  goal('curvature-numpy', curvature, 'NumPy einsum of given Δ and A', '×', 2.5, 4),
  goal('curvature-torch', curvature, 'torch, a backward per sample', '×', 20, 50),
  goal('curvature-laplace-torch', `${curvature}, sides 'query'`, 'laplace-torch, diagonal Fisher', '×'),
  goal('fit', fit, 'embedding the same texts', '× time', 2.1),
  goal('fit-query', `${fit}, sides 'query'`, 'embedding the same texts', '× time', 1.15),
  goal('bake-overhead', 'a baked graph, 32 texts of 32 tokens', 'the plain graph', '% over', 5, 2),
  goal('event-loop-1', 'largest gap of the event loop during searches, 1 compute thread', '', 'ms', 10, 5),
  goal('event-loop-2', '99th percentile of the gaps, 2 compute threads', '', 'ms', 10, 5),
  goal('event-loop-busy', 'largest gap, 2 compute threads', 'an idle loop beside 2 busy processes', '×', 1),
  goal('open', 'open an index of 1 GB by memory map', '', 'ms', 50),
  goal('open-first', 'its first query, blocks checked', 'reading the file', '×'),
  goal('memory', 'memory of a Gaussian, float32', 'bytes stored', '% over', 5),
  goal('memory-float16', 'memory of a Gaussian, float16', 'bytes stored', '% over', 5),
  goal('memory-int8', 'memory of a Gaussian, int8', 'bytes stored', '% over', 5),
  goal('memory-prefilter', 'memory of a Gaussian, float32 with int8 prefilter', 'bytes stored', '% over', 5),
]

const smallerIsBetter = (unit) => ['ms', '% over', '× time'].includes(unit)

/** 'met', 'met, aim reached', 'missed', or '' for a row without a goal. */
export function verdict({ unit, must, aim }, value) {
  if (must === undefined) return ''
  const reaches = (target) => (smallerIsBetter(unit) ? value <= target : value >= target)
  if (!reaches(must)) return 'missed'
  return aim !== undefined && reaches(aim) ? 'met, aim reached' : 'met'
}

/** '≥ 85 %', '< 10 ms'. */
export function target(unit, value) {
  return value === undefined ? '' : `${smallerIsBetter(unit) ? '≤' : '≥'} ${value} ${unit}`
}
