import { describe, expect, test } from 'vitest'
import { align, type Line } from './align'

const line = (x: number[], y: number[], more: Partial<Line> = {}): Line => ({ id: 'a', label: 'a', color: '#000', x, y, ...more })

describe('lines over one x axis', () => {
  test('have a cell for every x of any line, and undefined where they have no point', () => {
    const { columns } = align([line([1, 3], [10, 30]), line([2, 3, 4], [200, 300, 400])])
    expect(columns).toEqual([
      [1, 2, 3, 4],
      [10, undefined, 30, undefined],
      [undefined, 200, 300, 400],
    ])
  })

  test('with the same x are not spread', () => {
    const { columns } = align([line([1, 2], [10, 20]), line([1, 2], [5, 6])])
    expect(columns).toEqual([[1, 2], [10, 20], [5, 6]])
  })

  test('keep the newest of two values at one x', () => {
    expect(align([line([1, 2, 2, 3], [10, 20, 21, 30])]).columns).toEqual([[1, 2, 3], [10, 21, 30]])
  })

  test('bring their envelopes along', () => {
    const { columns, places } = align([line([1, 2], [10, 20], { min: [9, 19], max: [11, 99] }), line([1], [5])])
    expect(places).toEqual([{ y: 1, max: 2, min: 3 }, { y: 4, max: 0, min: 0 }])
    expect(columns).toEqual([[1, 2], [10, 20], [11, 99], [9, 19], [5, undefined]])
  })
})

describe('values without a place on the axis', () => {
  test('are gaps in the line and marks beside it', () => {
    const { columns, marks } = align([line([1, 2, 3, 4], [1, NaN, Infinity, -Infinity])])
    expect(columns[1]).toEqual([1, null, null, null])
    expect(marks).toEqual([
      { line: 0, x: 2, kind: 'NaN' },
      { line: 0, x: 3, kind: '∞' },
      { line: 0, x: 4, kind: '−∞' },
    ])
  })

  test('are marked once when the raw line stands behind a smoothed one', () => {
    expect(align([line([1], [NaN], { faint: true }), line([1], [NaN])]).marks).toHaveLength(1)
  })

  test('are also what a logarithm does not have', () => {
    const { columns, marks } = align([line([1, 2, 3], [0, -1, 10])], true)
    expect(columns[1]).toEqual([null, null, 10])
    expect(marks).toEqual([])
  })
})

test('no lines are no trouble', () => expect(align([]).columns).toEqual([[]]))
