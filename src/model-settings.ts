// What stands beside a model's graph and says how to use it.
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join, normalize, sep } from 'node:path'

/** The files themselves; `modules.json` names folders with more. */
const FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'config.json',
  'modules.json',
  'sentence_bert_config.json',
  'config_sentence_transformers.json',
  'README.md',
]

/** Copies them, each synced to the disk; what is not there is left out. */
export async function copySettings(from: string, to: string): Promise<void> {
  for (const name of FILES) await copyFile(join(from, name), join(to, name))
  for (const folder of await modules(from))
    for (const name of await readdir(join(from, folder), { recursive: true }).catch(() => []))
      await copyFile(join(from, folder, name), join(to, folder, name))
}

/** The folders that modules.json names, such as `1_Pooling` and `2_Dense`. The transformer is the graph, which is not copied. */
async function modules(folder: string): Promise<string[]> {
  const content = await readFile(join(folder, 'modules.json'), 'utf8').catch(() => '[]')
  return modulesIn(content)
    .filter(({ type }) => !String(type).endsWith('Transformer'))
    .map(({ path }) => normalize(String(path ?? '')))
    .filter(
      (path) => path !== '.' && !path.startsWith('..') && !path.startsWith(sep) && basename(path) !== '',
    )
}

/** None where the file is not as it should be: the encoder beside it was loaded without it. */
function modulesIn(content: string): { type?: unknown; path?: unknown }[] {
  try {
    const listed: unknown = JSON.parse(content)
    return Array.isArray(listed) ? listed.filter((entry) => typeof entry === 'object' && entry !== null) : []
  } catch {
    return []
  }
}

async function copyFile(from: string, to: string): Promise<void> {
  const found = await stat(from).catch(() => undefined)
  if (!found?.isFile()) return
  await mkdir(dirname(to), { recursive: true })
  await writeFile(to, await readFile(from), { flush: true })
}
