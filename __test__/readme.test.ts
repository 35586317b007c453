import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { root } from './paths.ts'

it('shows the table of the quickstart', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const shown = readme.match(/<!-- quickstart -->([\s\S]*)<!-- \/quickstart -->/)?.[1] ?? ''
  for (const row of ['uniform average', 'UEC as in the paper', 'UEC calibrated']) expect(shown).toContain(row)
})

it('has an example that runs as it stands, in parts that go on', async () => {
  const readme = await readFile(join(root, 'README.md'), 'utf8')
  const parts = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1]!)
  expect(parts).toHaveLength(2)
  await mkdir(join(root, '.uec'), { recursive: true })
  const folder = await mkdtemp(join(root, '.uec', 'readme-'))
  try {
    const file = join(folder, 'example.mjs')
    await writeFile(file, parts.join('\n'))
    const { status, stdout, stderr } = spawnSync(process.execPath, [file], { cwd: root, encoding: 'utf8' })
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout.indexOf('river')).toBeGreaterThan(0)
    expect(stdout.indexOf('river')).toBeLessThan(stdout.indexOf('court'))
    expect(stdout).toMatch(/sources: \[.*\],\n +bias: /)
  } finally {
    await rm(folder, { recursive: true })
  }
})
