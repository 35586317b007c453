import * as pure from '../src/pure/index.ts'
import { contract } from './contract/index.ts'

contract('uec/pure', pure)
