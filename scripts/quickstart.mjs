// npm run quickstart: builds what is missing, then runs the main job on the embedded encoders.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { prepare, root } from './prepare.mjs'

prepare()
const { status, signal } = spawnSync(
  process.execPath,
  [join(root, 'dist', 'cli', 'main.js'), 'demo', ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: 'inherit',
  },
)
process.exit(signal ? 130 : status)
