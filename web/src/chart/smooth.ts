// Exponential moving average with the start's bias taken out (as in Adam, Kingma & Ba 2015): s ← w·s + (1−w)·x, shown as
// s / (1 − wⁿ). NaN and infinities pass through where they are and leave the average alone.
export function smooth(values: number[], weight: number): number[] {
  let average = 0
  let n = 0
  return values.map((x) => {
    if (!Number.isFinite(x)) return x
    n++
    average = weight * average + (1 - weight) * x
    return average / (1 - weight ** n)
  })
}
