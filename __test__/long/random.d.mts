export function random(seed: number): () => number
export function text(i: number): string
