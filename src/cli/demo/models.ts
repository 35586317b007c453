/** The embedded encoders, under `models/`, each with the language that it is for. */
import type { Language } from './texts.ts'

export const EXPERTS: readonly { language: Language; model: string }[] = [
  { language: 'en', model: 'minilm-l6-en' },
  { language: 'de', model: 'student-l3-de' },
  { language: 'fr', model: 'student-l3-fr' },
]
