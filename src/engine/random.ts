/** Seeded random numbers: the same seed gives the same answer on every machine. */

/** Numbers from 0 to 1 (never 1). */
export type Random = () => number

/** sfc32 (Chris Doty-Humphrey, PractRand), its state filled from the seed by splitmix32. */
export function createRandom(seed: number): Random {
  let mix = (Math.trunc(seed) ^ Math.trunc(seed / 2 ** 32)) >>> 0
  const next = (): number => {
    mix = (mix + 0x9e3779b9) >>> 0
    let z = mix
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad)
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97)
    return (z ^ (z >>> 15)) >>> 0
  }
  let [a, b, c, counter] = [next(), next(), next(), 1]
  const draw = (): number => {
    const sum = (((a + b) >>> 0) + counter) >>> 0
    counter = (counter + 1) >>> 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) >>> 0
    c = ((c << 21) | (c >>> 11)) >>> 0
    c = (c + sum) >>> 0
    return sum / 2 ** 32
  }
  for (let i = 0; i < 12; i++) draw()
  return draw
}
