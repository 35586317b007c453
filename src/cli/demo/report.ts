/** What a person reads: what is compared on what, a few queries with their hits, the table, and how to read it. */
import Table from 'cli-table3'
import type { Calibration } from '../../index.ts'
import { RESAMPLES, type Result, type Row } from './result.ts'
import { type Corpus, LANGUAGES, type Split } from './texts.ts'

/** Before the work: which texts, under which licence, split how. */
export function introduction({ documents }: Corpus, { fit, calibrate, test }: Split): string {
  const describe = (positions: readonly number[]) => {
    const count = new Set(positions.map((i) => documents[i]!)).size
    return `lines ${positions[0]! + 1}–${positions.at(-1)! + 1}, ${count} documents`
  }
  return [
    'Three small encoders of one space, English, German and French, become Gaussian encoders, are mixed, and search.',
    '',
    'Texts: NTREX-128 news sentences, line-aligned translations, CC BY-SA 4.0 (models/texts/ntrex). Split by whole documents:',
    `  fit        ${describe(fit)}: each expert on the ${fit.length} plain sentences of its language, words dropped`,
    `  calibrate  ${describe(calibrate)}: one translation pair a line`,
    `  test       ${describe(test)}: ${test.length} sentences in three languages, ${3 * test.length} texts`,
    'The German and French experts were distilled on lines 1–1000 among other texts; nothing is measured there. The test lines',
    'were in no training or fit, but were looked at while the defaults of the method were chosen.',
    'Each test sentence is a query in each language. Its own text is no candidate; its two translations are relevant.',
    '',
  ].join('\n')
}

export function report(result: Result, command: string): string {
  return [
    '',
    ...examples(result),
    '',
    table(result.rows),
    ...notes(result),
    '',
    ...next(result, command),
  ].join('\n')
}

function examples({ examples: list }: Result): string[] {
  return list.flatMap(({ language, text, coefficients, disagreement, hits }) => {
    const weights = coefficients.map((weight, k) => `${LANGUAGES[k]} ${weight.toFixed(2)}`).join(', ')
    return [
      '',
      `Query (${language}): ${text}`,
      `  coefficients ${weights}; disagreement ${disagreement.toFixed(2)}`,
      '     score  similarity  σ',
      ...hits.map(
        (hit) =>
          `  ${hit.relevant ? '✓' : ' '}  ${hit.score.toFixed(3)}  ${hit.similarity.toFixed(3)}       ${hit.deviation.toFixed(3)}  ${hit.language}  ${hit.text}`,
      ),
    ]
  })
}

function table(rows: readonly Row[]): string {
  const percent = (value: number) => (100 * value).toFixed(1)
  const signed = (value: number) => {
    const size = percent(Math.abs(value))
    return size === '0.0' ? size : `${value < 0 ? '−' : '+'}${size}`
  }
  const grid = new Table({
    head: ['× 100', 'nDCG@10', 'en', 'de', 'fr', 'Recall@10', 'nDCG − uniform [95 %]'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  })
  for (const { system, reference, ndcg, recall, difference } of rows) {
    grid.push([
      reference ? `(reference: ${system})` : system,
      ...(['all', 'en', 'de', 'fr'] as const).map((language) => percent(ndcg[language])),
      percent(recall.all),
      difference ? `${signed(difference.value)} [${signed(difference.low)}, ${signed(difference.high)}]` : '',
    ])
  }
  return grid.toString()
}

function notes({ data, mixing, reused, seconds }: Result): string[] {
  const chosen = ({ sources, power }: Calibration) =>
    sources.map((source, j) => `${source} (power ${power[j]!.toFixed(2)})`).join(' and ') ||
    'none: fixed weights'
  return [
    `${data.corpus} queries over ${data.corpus} texts. en, de, fr: language of the query. Intervals: bootstrap over the ${data.testDocuments} test documents, ${RESAMPLES} draws.`,
    `Cross-validation chose, calibrated: ${chosen(mixing.calibration)}; without tokens per word: ${chosen(mixing.certainty)}.`,
    'How to read it: much of the gain is routing by language, because an expert is uncertain of languages it was not made for.',
    'Tokens per word is such a routing feature and no uncertainty, so a row without it stands beside. The reference row is told',
    'the language of every text; a mixture may exceed it, because the experts help each other.',
    reused
      ? `Posteriors, calibration, embeddings and measures that an earlier run made were used again (--fresh makes them anew); this run took ${seconds.toFixed(0)} s.`
      : `Every number was computed in this run from the models and the texts, in ${seconds.toFixed(0)} s.`,
  ]
}

function next({ files }: Result, command: string): string[] {
  return [
    'Try it with a query of your own:',
    `  ${command} search ${files.ensemble} ${files.index} "Wer hat die Wahl gewonnen?" --texts ${files.texts}`,
  ]
}
