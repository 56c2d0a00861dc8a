import { expect, test } from 'vitest'
import { generations } from './generations'

const nodes = [
  { id: 'run', distance: 0 },
  { id: 'data', distance: -1 },
  { id: 'curation', distance: -2 },
  { id: 'fork', distance: 1 },
  { id: 'checkpoint', distance: 1 },
  { id: 'judge', distance: 2 },
]
const edges = [
  { from: 'curation', to: 'data', role: 'dataset' },
  { from: 'data', to: 'run', role: 'dataset' },
  { from: 'run', to: 'fork', role: 'fork' },
  { from: 'run', to: 'checkpoint', role: 'checkpoint' },
  { from: 'checkpoint', to: 'fork', role: 'checkpoint' }, // as far away as the fork itself
  { from: 'checkpoint', to: 'judge', role: 'checkpoint' },
  { from: 'checkpoint', to: 'judge', role: 'evaluation' },
]

test('a lineage goes both ways, nearest first, each thing with what joins it to the nearer ones', () => {
  const names = (of: ReturnType<typeof generations>['up']) => of.map((g) => [g.distance, ...g.nodes.map((n) => `${n.node.id}: ${n.roles.join('+')}`)])
  const { up, down } = generations(nodes, edges)
  expect(names(up)).toEqual([[-1, 'data: dataset'], [-2, 'curation: dataset']])
  expect(names(down)).toEqual([[1, 'fork: fork', 'checkpoint: checkpoint'], [2, 'judge: checkpoint+evaluation']])
})

test('a thing that stands alone has no generations', () => {
  expect(generations([{ id: 'a', distance: 0 }], [])).toEqual({ up: [], down: [] })
})
