/** The main job from end to end: fit, calibrate, embed, mix, index, search, compare. */
import { existsSync } from 'node:fs'
import { join, relative } from 'node:path'
import { convolve, GaussianIndex } from '../../index.ts'
import { writeAtomically } from '../output/atomic.ts'
import { packageManifest } from '../package.ts'
import type { Reporter } from '../progress.ts'
import { Cache, fingerprint } from './cache.ts'
import { evaluate, type Item, type Measured } from './evaluate.ts'
import { exampleItems, runExamples } from './examples.ts'
import { type Expert, prepareExpert, type View, viewOf, type Work } from './experts.ts'
import { type Mixer, prepareMixer } from './mixing.ts'
import { EXPERTS } from './models.ts'
import { type Result, rowsOf } from './result.ts'
import { buildSystems, uncertaintiesOf } from './systems.ts'
import { type Corpus, LANGUAGES, type Split } from './texts.ts'

export interface DemoOptions {
  /** Folder of the encoders. */
  models: string
  /** Folder for what later runs reuse. */
  cache: string
  fresh: boolean
  reporter: Reporter
  signal: AbortSignal
}

export async function runDemo(corpus: Corpus, split: Split, options: DemoOptions): Promise<Result> {
  const { models, reporter, signal } = options
  const cache = await Cache.open(options.cache, { fresh: options.fresh })
  const work = { cache, reporter, signal }
  const items = testItems(corpus, split.test)

  const experts: Expert[] = []
  try {
    for (const expert of EXPERTS) {
      const texts = split.fit.map((i) => corpus.lines[expert.language][i]!)
      experts.push(await prepareExpert(expert, models, texts, work))
    }
    const mixer = await prepareMixer(experts, corpus, split.calibrate, work)
    await using ensemble = mixer.ensemble

    const views: View[] = []
    for (const expert of experts)
      views.push(
        await viewOf(
          expert,
          items.map(({ text }) => text),
          work,
        ),
      )
    const files = await saveForSearch(mixer, views, items, cache, signal)

    const measured = await compare(views, mixer, items, work)
    await cache.prune()
    using index = await GaussianIndex.open(files.index, { readonly: true })
    const examples = await runExamples(ensemble, index, exampleItems(items), items, signal)
    return {
      version: packageManifest().version,
      data: {
        name: 'NTREX-128',
        licence: 'CC BY-SA 4.0',
        fitSentences: split.fit.length,
        calibrationLines: split.calibrate.length,
        testLines: split.test.length,
        testDocuments: new Set(items.map(({ document }) => document)).size,
        corpus: items.length,
      },
      mixing: mixer.mixing,
      rows: rowsOf(measured, items),
      examples,
      reused: cache.reused,
      phases: reporter.times,
      seconds: reporter.seconds,
      files: {
        ensemble: relative('', files.ensemble),
        index: relative('', files.index),
        texts: relative('', files.texts),
      },
    }
  } finally {
    for (const { encoder } of experts) await encoder.dispose()
  }
}

/** Every system measured on every query, or what an earlier run measured with the same experts and texts. */
async function compare(
  views: readonly View[],
  { mixing, key }: Mixer,
  items: readonly Item[],
  { cache, reporter, signal }: Work,
): Promise<Measured[]> {
  const file = cache.path('measures', fingerprint(key, items), 'json')
  const stored = await cache.readJson<Measured[]>(file)
  if (stored) return stored
  const languages = items.map(({ language }) => language)
  const systems = await buildSystems(views, mixing, languages, signal)
  const measured: Measured[] = []
  await reporter.run(`Searching with ${items.length} queries in ${systems.length} ways`, async (phase) => {
    for (const system of systems) {
      measured.push(await evaluate(system, items, signal))
      phase.update(measured.length, systems.length)
    }
  })
  await cache.writeJson(file, measured)
  return measured
}

/** The test sentences, all of one language after all of the other. */
export function testItems({ lines, documents }: Corpus, positions: readonly number[]): Item[] {
  return LANGUAGES.flatMap((language) =>
    positions.map((line) => ({
      id: `${language}:${line + 1}`,
      language,
      line,
      document: documents[line]!,
      text: lines[language][line]!,
    })),
  )
}

/** The calibrated ensemble, its index and the texts, as files that `uec search` takes. */
async function saveForSearch(
  { ensemble, mixing, key }: Mixer,
  views: readonly View[],
  items: readonly Item[],
  cache: Cache,
  signal: AbortSignal,
): Promise<{ ensemble: string; index: string; texts: string }> {
  const suffix = fingerprint(key, items)
  const files = {
    ensemble: cache.path('ensemble', key),
    index: cache.path('corpus', suffix, 'uec'),
    texts: cache.path('corpus', suffix, 'jsonl'),
  }
  if (!existsSync(join(files.ensemble, 'ensemble.json'))) await ensemble.save(files.ensemble)
  if (!existsSync(files.texts))
    await writeAtomically(files.texts, items.map((item) => `${JSON.stringify(item)}\n`).join(''))
  if (!existsSync(files.index)) {
    const { gaussians } = await convolve(
      views.map((view) => view.gaussians),
      {
        coefficients: mixing.calibration,
        uncertainties: uncertaintiesOf(views, mixing.calibration.sources),
        signal,
      },
    )
    using index = new GaussianIndex({
      dimension: gaussians.dimension,
      fingerprint: ensemble.fingerprint,
    })
    await index.add(
      items.map(({ id }) => id),
      gaussians,
    )
    await index.save(files.index)
  }
  return files
}
