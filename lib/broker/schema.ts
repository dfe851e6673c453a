import { Compile } from 'typebox/compile'
import { Meta } from 'typebox/schema'
import { PushError } from '../core/errors.js'
import { References } from './references.js'

/** What a channel's messages are, as declared. */
export interface DataSchema {
  /** The schema as plain JSON, for a document that has it at this JSON pointer (`#/…`). */
  within (place: string): object
  /** Throws `PUSH_INVALID` with the first error's path and text. */
  assert (data: unknown): void
}

/** Compiles the schema of a pattern. Throws `PUSH_OPTIONS` for what is no JSON Schema (draft 7: what AsyncAPI speaks too). */
export function compileSchema (pattern: string, schema: unknown): DataSchema {
  const wrong = (why: string, cause?: unknown) => new PushError('PUSH_OPTIONS', `channel '${pattern}': schema: ${why}`, { cause })
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) throw wrong('must be a schema')
  try {
    const json = JSON.parse(JSON.stringify(schema)) as Record<string, unknown>
    const [error] = isSchema().Errors(json)
    if (error !== undefined) throw wrong(`${error.instancePath} ${error.message}`.trim())
    const references = new References(json)
    if (references.dangling !== null) throw wrong(`$ref ${JSON.stringify(references.dangling)} leads nowhere`)
    const validator = Compile(schema)
    return {
      within: (place) => references.within(place),
      assert: (data) => {
        if (validator.Check(data)) return
        const [error] = validator.Errors(data)
        throw new PushError('PUSH_INVALID', error === undefined ? undefined : `${error.instancePath === '' ? 'the data' : error.instancePath} ${error.message}`)
      }
    }
  } catch (error) {
    throw error instanceof PushError ? error : wrong((error as Error).message, error)
  }
}

// Made with the first schema: it takes milliseconds.
let compiled: ReturnType<typeof Compile> | undefined

function isSchema (): ReturnType<typeof Compile> {
  compiled ??= Compile(Meta['http://json-schema.org/draft-07/schema#'])
  return compiled
}
