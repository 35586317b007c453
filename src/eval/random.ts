/**
 * A seeded generator for resampling: xoshiro128** 1.1 (Blackman and Vigna, "Scrambled linear pseudorandom number
 * generators", 2021), its state filled by SplitMix32 from one seed. Not for cryptography.
 */
export class Random {
  readonly #state: Uint32Array

  private constructor(state: Uint32Array) {
    this.#state = state
  }

  /** A generator for any integer seed; only its lowest 32 bits count. */
  static seeded(seed: number): Random {
    let x = seed >>> 0
    const state = Uint32Array.from({ length: 4 }, () => {
      x = (x + 0x9e3779b9) >>> 0
      let z = Math.imul(x ^ (x >>> 16), 0x21f0aaad)
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
      return z ^ (z >>> 15)
    })
    return new Random(state)
  }

  /** A generator that continues from four words, not all of them zero. */
  static from(a: number, b: number, c: number, d: number): Random {
    return new Random(Uint32Array.of(a, b, c, d))
  }

  /** The next integer in [0, 2³²). */
  next(): number {
    const s = this.#state
    const result = Math.imul(rotate(Math.imul(s[1]!, 5), 7), 9) >>> 0
    const shifted = s[1]! << 9
    s[2]! ^= s[0]!
    s[3]! ^= s[1]!
    s[1]! ^= s[2]!
    s[0]! ^= s[3]!
    s[2]! ^= shifted
    s[3] = rotate(s[3]!, 11)
    return result
  }

  /** An integer in [0, bound), without bias: draws that do not fill a whole multiple of `bound` are thrown away. */
  below(bound: number): number {
    const limit = 0x1_0000_0000 - (0x1_0000_0000 % bound)
    for (;;) {
      const value = this.next()
      if (value < limit) return value % bound
    }
  }
}

function rotate(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits))
}
