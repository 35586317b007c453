// npm run build: dependencies, the addon in release mode and the TypeScript, each only where it is missing or out of date.
import { prepare } from './prepare.mjs'

prepare()
