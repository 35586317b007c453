/**
 * The public names against the published contract (fixtures/contract.d.ts), checked by the type checker alone: this
 * file is never run. What we give must be assignable to what the contract says, and what callers may pass according to
 * the contract must be assignable to what we take.
 */
import type * as uec from '../src/index.ts'
import type * as pure from '../src/pure/index.ts'
import type * as contract from './fixtures/contract.js'

/** Compiles only where `Ours` can stand for `Theirs`. */
type Is<Theirs, _Ours extends Theirs> = true
type Same<Theirs, Ours extends Theirs> = [Theirs] extends [Ours] ? true : false
type AllTrue<Checks extends true[]> = Checks
/** What a class itself offers, without its constructor and prototype. */
type Statics<Class> = { [Name in keyof Class as Name extends 'prototype' ? never : Name]: Class[Name] }
type Returned<Call extends (...args: never) => unknown> = Awaited<ReturnType<Call>>
/** The contract's option types name its own classes, which differ from ours in hidden members. */
type WithOurs<Options, Ours> = Omit<Options, keyof Ours> & Ours

// ── Instances: what callers hold ────────────────────────────────────────────────────────────────────────────────
export type Instances = [
  Is<contract.Gaussian, uec.Gaussian>,
  Is<contract.GaussianBatch, uec.GaussianBatch>,
  Is<contract.EncoderBatch, uec.EncoderBatch>,
  Is<contract.EnsembleBatch, uec.EnsembleBatch>,
  Is<contract.Encoder, uec.Encoder>,
  Is<contract.EncoderInfo, uec.EncoderInfo>,
  Is<contract.Posterior, uec.Posterior>,
  Is<contract.Ensemble, uec.Ensemble>,
  Is<contract.GaussianIndex, uec.GaussianIndex>,
  Is<contract.IndexFilter, uec.IndexFilter>,
  Is<contract.Hits, uec.Hits>,
  Is<contract.Hit, uec.Hit>,
  Is<contract.Calibration, uec.Calibration>,
  Is<contract.Progress, uec.Progress>,
  Is<contract.UecError, uec.UecError>,
  Is<contract.GaussianBatch, pure.GaussianBatch>,
  Is<contract.GaussianIndex, pure.GaussianIndex>,
  Is<contract.Hits, pure.Hits>,
  Is<contract.UecError, pure.UecError>,
]

// ── Classes: what stands on them ────────────────────────────────────────────────────────────────────────────────
export type Classes = [
  Is<Statics<typeof contract.GaussianBatch>, Statics<typeof uec.GaussianBatch>>,
  Is<Statics<typeof contract.Encoder>, Statics<typeof uec.Encoder>>,
  Is<Statics<typeof contract.Posterior>, Statics<typeof uec.Posterior>>,
  Is<Statics<typeof contract.Ensemble>, Statics<typeof uec.Ensemble>>,
  Is<Statics<typeof contract.GaussianIndex>, Statics<typeof uec.GaussianIndex>>,
  Is<Statics<typeof contract.Hits>, Statics<typeof uec.Hits>>,
  Is<Statics<typeof contract.GaussianBatch>, Statics<typeof pure.GaussianBatch>>,
  Is<Statics<typeof contract.GaussianIndex>, Statics<typeof pure.GaussianIndex>>,
  Is<Statics<typeof contract.Hits>, Statics<typeof pure.Hits>>,
  Is<abstract new (...args: never) => Error, typeof uec.UecError>,
]

// ── Results of functions ────────────────────────────────────────────────────────────────────────────────────────
export type Results = [
  Is<Returned<typeof contract.similarity>, Returned<typeof uec.similarity>>,
  Is<Returned<typeof contract.pairwiseSimilarity>, Returned<typeof uec.pairwiseSimilarity>>,
  Is<Returned<typeof contract.convolve>, Returned<typeof uec.convolve>>,
  Is<ReturnType<typeof contract.capabilities>, ReturnType<typeof uec.capabilities>>,
  Is<typeof contract.configure, typeof uec.configure>,
  Is<Returned<typeof contract.similarity>, Returned<typeof pure.similarity>>,
  Is<Returned<typeof contract.pairwiseSimilarity>, Returned<typeof pure.pairwiseSimilarity>>,
  Is<Returned<typeof contract.convolve>, Returned<typeof pure.convolve>>,
]

// ── Arguments: what callers may pass, in the contract's words ───────────────────────────────────────────────────
type Compared = [uec.GaussianBatch, uec.GaussianBatch, contract.ScoreOptions?]
type Mixed = [readonly uec.GaussianBatch[], contract.ConvolveOptions?]
type Found = [uec.GaussianBatch, contract.SearchOptions?]
type IndexMade = [...ConstructorParameters<typeof contract.GaussianIndex>]
type Opened = Parameters<typeof contract.GaussianIndex.open>
type BatchMade = [...ConstructorParameters<typeof contract.GaussianBatch>]
type EncoderTaken = WithOurs<contract.EncoderOptions, { posterior?: uec.Posterior | string }>
/** Every async function takes one, says the head of the contract: also those where it lists no options. */
type Signalled = { signal?: AbortSignal }
type EnsembleTaken = WithOurs<contract.EnsembleOptions, { encoder?: EncoderTaken }>
type Streamed = Parameters<contract.Encoder['embedStream']>
type Texts = Parameters<contract.Encoder['embed']>

export type Arguments = [
  Is<Parameters<typeof uec.similarity>, Compared>,
  Is<Parameters<typeof uec.pairwiseSimilarity>, Compared>,
  Is<Parameters<typeof uec.convolve>, Mixed>,
  Is<Parameters<uec.GaussianIndex['search']>, Found>,
  Is<Parameters<uec.GaussianIndex['filter']>, [...Parameters<contract.GaussianIndex['filter']>, Signalled?]>,
  Is<Parameters<uec.GaussianIndex['add']>, [readonly string[], uec.GaussianBatch, Signalled?]>,
  Is<Parameters<uec.GaussianIndex['remove']>, [readonly string[], Signalled?]>,
  Is<Parameters<uec.GaussianIndex['save']>, [string, Signalled?]>,
  Is<Parameters<uec.GaussianIndex['verify']>, [Signalled?]>,
  Is<ConstructorParameters<typeof uec.GaussianIndex>, IndexMade>,
  Is<Parameters<typeof uec.GaussianIndex.open>, Opened | [string, Signalled]>,
  Is<ConstructorParameters<typeof uec.GaussianBatch>, BatchMade>,
  Is<Parameters<typeof uec.Encoder.load>, [string, (EncoderTaken & Signalled)?]>,
  Is<Parameters<uec.Encoder['embed']>, Texts>,
  Is<Parameters<uec.Encoder['embedStream']>, Streamed>,
  Is<Parameters<uec.Encoder['fit']>, Parameters<contract.Encoder['fit']>>,
  Is<Parameters<uec.Encoder['bake']>, [string, uec.Posterior?, Signalled?]>,
  Is<Parameters<uec.Encoder['warmup']>, [Signalled?]>,
  Is<Parameters<typeof uec.Posterior.load>, [string, Signalled?]>,
  Is<Parameters<uec.Posterior['save']>, [string, Signalled?]>,
  Is<Parameters<uec.Posterior['with']>, Parameters<contract.Posterior['with']>>,
  Is<Parameters<typeof uec.Ensemble.load>, [string | readonly (string | uec.Encoder)[], EnsembleTaken?]>,
  Is<Parameters<uec.Ensemble['calibrate']>, Parameters<contract.Ensemble['calibrate']>>,
  Is<Parameters<uec.Ensemble['embed']>, Texts>,
  Is<Parameters<uec.Ensemble['save']>, [string, Signalled?]>,
  Is<Parameters<typeof uec.Hits.merge>, [readonly uec.Hits[], number?]>,
  Is<Parameters<typeof pure.similarity>, Compared>,
  Is<Parameters<typeof pure.pairwiseSimilarity>, Compared>,
  Is<Parameters<typeof pure.convolve>, Mixed>,
  Is<Parameters<pure.GaussianIndex['search']>, Found>,
  Is<ConstructorParameters<typeof pure.GaussianIndex>, IndexMade>,
  Is<Parameters<typeof pure.GaussianIndex.open>, Opened | [string, Signalled]>,
  Is<ConstructorParameters<typeof pure.GaussianBatch>, BatchMade>,
]

// ── Option types and names, both ways ───────────────────────────────────────────────────────────────────────────
export type Names = AllTrue<
  [
    Same<contract.Score, uec.Score>,
    Same<contract.ScoreOptions, uec.ScoreOptions>,
    Same<contract.CoefficientRule, uec.CoefficientRule>,
    Same<contract.UncertaintySource, uec.UncertaintySource>,
    Same<contract.ConvolveOptions, uec.ConvolveOptions>,
    Same<contract.EmbedOptions, uec.EmbedOptions>,
    Same<EncoderTaken, uec.EncoderOptions>,
    Same<EnsembleTaken, uec.EnsembleOptions>,
    Same<contract.Pair, uec.Pair>,
    Same<contract.FitOptions, uec.FitOptions>,
    Same<contract.Storage, uec.Storage>,
    Same<contract.SearchOptions, uec.SearchOptions>,
    Same<contract.ErrorCode, uec.ErrorCode>,
    Same<keyof contract.EnsembleOptions | 'anchors' | 'reference' | 'uncertainty', keyof uec.EnsembleOptions>,
    Same<keyof contract.EncoderOptions | 'signal' | 'dimensions' | 'fittedOn', keyof uec.EncoderOptions>,
    Same<keyof contract.FitOptions | 'checkpointSeconds', keyof uec.FitOptions>,
    Same<keyof contract.SearchOptions, keyof uec.SearchOptions>,
    Same<contract.Score, pure.Score>,
    Same<contract.CoefficientRule, pure.CoefficientRule>,
    Same<contract.ErrorCode, pure.ErrorCode>,
  ]
>

/** Every value that the contract exports is exported. */
export type Exported = [
  Is<keyof typeof uec, keyof typeof contract>,
  Is<
    keyof typeof pure,
    'GaussianBatch' | 'similarity' | 'pairwiseSimilarity' | 'convolve' | 'GaussianIndex' | 'Hits' | 'UecError'
  >,
]
