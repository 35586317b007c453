// npm run bench:peers: installs what uec is measured against and what draws the figures. Nothing of it is needed to build
// or test; a peer that cannot be installed is skipped by name. `-- --torch` adds torch and laplace-torch, which are gigabytes.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from '../scripts/prepare.mjs'

const windows = process.platform === 'win32'
const python = join(root, 'target', 'bench-python')
const executable = join(python, ...(windows ? ['Scripts', 'python.exe'] : ['bin', 'python']))

function attempt(what, command, ...args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', shell: windows })
  if (!error && status === 0) return true
  console.log(`${what}: not installed${error ? ` (${error.message})` : ''}; its rows will say so`)
  return false
}

attempt(
  'npm peers',
  'npm',
  'ci',
  '--prefix',
  join('benchmark', 'peers'),
  '--ignore-scripts',
  '--no-audit',
  '--no-fund',
)
if (attempt('Python peers', windows ? 'python' : 'python3', '-m', 'venv', python)) {
  const lists = ['requirements.txt', ...(process.argv.includes('--torch') ? ['requirements-torch.txt'] : [])]
  for (const list of lists) {
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
    attempt(`Python peers (${list})`, executable, ...pip, '-r', join('benchmark', 'python', list))
  }
}
