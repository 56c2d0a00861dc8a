import { expect, test } from 'vitest'
import { differenceGroups, kinds } from './differences'
import { formatLeaf, search, tree, type Branch } from './tree'

const config = { steps: 400, model: { n_layer: 6, activation: 'swiglu' }, betas: [0.9, 0.95], mixture: [{ name: 'go', weight: 1 }], nothing: null }

const paths = (b: Branch): string[] => (b.children ? b.children.flatMap(paths) : [b.path])

test('leaves come before branches, lists of plain values are leaves, lists of objects branch', () => {
  expect(paths(tree(config))).toEqual(['betas', 'mixture.0.name', 'mixture.0.weight', 'nothing', 'steps', 'model.activation', 'model.n_layer'])
})

test('a search keeps what has all its words in path or value, with the way to it', () => {
  const found = (text: string) => {
    const kept = search(tree(config), text.split(' '))
    return kept ? paths(kept) : null
  }
  expect(found('swiglu')).toEqual(['model.activation'])
  expect(found('model')).toEqual(['model.activation', 'model.n_layer'])
  expect(found('model 6')).toEqual(['model.n_layer'])
  expect(found('absent')).toBeNull()
  expect(search(tree(config), [])).toEqual(tree(config))
})

test('leaves as text', () => {
  expect([formatLeaf(1e-3), formatLeaf('x'), formatLeaf(''), formatLeaf(null), formatLeaf([1, 2]), formatLeaf(true), formatLeaf(undefined)]).toEqual(['0.001', 'x', '""', 'null', '[1,2]', 'true', '–'])
})

test('differences stand under their branch, those without one first', () => {
  const rows = differenceGroups([
    { path: 'optimizer.lr', values: [1, 2] },
    { path: 'seed', values: [1, 2] },
    { path: 'optimizer.schedule.warmup', values: [1, 2] },
    { path: 'optimizer.clip', values: [1, 2] },
  ])
  expect(rows.map((g) => [g.branch, g.rows.map((r) => r.name)])).toEqual([
    ['', ['seed']],
    ['optimizer', ['lr', 'clip']],
    ['optimizer.schedule', ['warmup']],
  ])
  expect(differenceGroups([])).toEqual([])
})

test('equal values have equal numbers, whatever they are', () => {
  expect(kinds([1, 2, 1, null, [1], [1], '1'])).toEqual([0, 1, 0, 2, 3, 3, 4])
})
