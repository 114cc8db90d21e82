/** A YAML file of the site beside the configuration: read, checked, and told with the place of a mistake. */
import type { z } from 'zod'
import { describeMistakes } from '../../config/describe.ts'
import { parseDocumentText } from '../../config/document.ts'
import type { SourceDocument } from '../../config/document.ts'
import { GuardError } from '../../model/errors.ts'

export function readDocument<S extends z.ZodType>(
  text: string,
  file: string,
  schema: S,
): { readonly data: z.output<S>; readonly document: SourceDocument } {
  const document = parseDocumentText(text, file)
  const result = schema.safeParse(document.data, { reportInput: true })
  if (result.success) return { data: result.data, document }
  const place = (path: readonly PropertyKey[]): string => `${file}:${document.placeOf(path)}`
  throw new GuardError('config_invalid', describeMistakes(result.error, schema, place))
}
