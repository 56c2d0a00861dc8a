import { expect, test } from 'vitest'
import { tasksIn } from './tasks'

test('tasks of a definition, whatever is in it', () => {
  expect(tasksIn(null)).toEqual([])
  expect(tasksIn({ tasks: 'none' })).toEqual([])
  expect(
    tasksIn({
      tasks: [
        { name: 'a', version: 1, kind: 'multiple_choice', few_shot: 10, metrics: ['acc', 3], source: { form: 'hellaswag' } },
        { name: 'b', kind: 'perplexity' },
        { name: 'c', kind: 'generate', prompts: ['', 'The '] },
        { name: 'd', kind: 'generate', source: { form: 'jsonl', digest: 'sha256:00' } },
        'e',
        7,
      ],
    }),
  ).toEqual([
    { name: 'a', version: 1, kind: 'multiple_choice', metrics: ['acc'], fewShot: '10', reads: 'hellaswag', digest: '', needsFile: true },
    { name: 'b', version: 0, kind: 'perplexity', metrics: [], fewShot: '0', reads: 'the dataset’s held-out split', digest: '', needsFile: false },
    { name: 'c', version: 0, kind: 'generate', metrics: [], fewShot: '0', reads: '2 prompts of its own', digest: '', needsFile: false },
    { name: 'd', version: 0, kind: 'generate', metrics: [], fewShot: '0', reads: 'jsonl', digest: 'sha256:00', needsFile: true },
    { name: 'e', version: 0, kind: '', metrics: [], fewShot: '0', reads: '', digest: '', needsFile: false },
    { name: '', version: 0, kind: '', metrics: [], fewShot: '0', reads: '', digest: '', needsFile: false },
  ])
})
