type Json = Readonly<Record<string, unknown>>

/** Keywords whose value is a map of names: nothing in it is a keyword. */
const MAPS: ReadonlySet<string> = new Set(['properties', 'patternProperties', 'definitions', '$defs', 'dependencies', 'dependentSchemas'])

/** Keywords whose value is data and no schema. */
const DATA: ReadonlySet<string> = new Set(['const', 'enum', 'default', 'examples'])

/** What a schema that names no base is called, within itself. */
const BASE = 'http://schema/'

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null

/** The references of one JSON Schema, and what they lead to. Its parts are known by JSON pointers from its root. */
export class References {
  readonly #root: Json
  /** By URI. */
  readonly #pointers = new Map<string, string>()

  constructor (root: Json) {
    this.#root = root
    this.#pointers.set(BASE, '')
    this.#collect(root, '', BASE, false)
  }

  /** A reference that leads nowhere within the schema: nothing is fetched for it. `null`: there is none. */
  get dangling (): string | null {
    let found: string | null = null
    this.#copy(this.#root, BASE, false, (ref, base) => {
      if (this.#resolve(ref, base) === null) found ??= ref
      return ref
    })
    return found
  }

  /** The schema as a part of a document, at this JSON pointer with its `#`. Names of schemas (`$id`) are gone: references would start from there. */
  within (place: string): Json {
    return this.#copy(this.#root, BASE, false, (ref, base) => place + encodeURI(this.#resolve(ref, base) ?? '').replaceAll('#', '%23')) as Json
  }

  #collect (value: unknown, pointer: string, base: string, isMap: boolean): void {
    if (!isObject(value)) return
    const own = isMap ? base : baseOf(value, base)
    if (own !== base) this.#pointers.set(own, pointer)
    if (!isMap && typeof value.$anchor === 'string') this.#pointers.set(`${bare(own)}#${value.$anchor}`, pointer)
    for (const [key, each] of Object.entries(value)) {
      if (isMap || !DATA.has(key)) this.#collect(each, `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`, own, !isMap && MAPS.has(key))
    }
  }

  #copy (value: unknown, base: string, isMap: boolean, refer: (ref: string, base: string) => string): unknown {
    if (Array.isArray(value)) return value.map((each) => this.#copy(each, base, isMap, refer))
    if (!isObject(value)) return value
    const own = isMap ? base : baseOf(value, base)
    return Object.fromEntries(Object.entries(value).flatMap(([key, each]) => {
      if (!isMap && DATA.has(key)) return [[key, each]]
      if (!isMap && (key === '$id' || key === '$anchor') && typeof each === 'string') return []
      if (!isMap && key === '$ref' && typeof each === 'string') return [[key, refer(each, own)]]
      return [[key, this.#copy(each, own, !isMap && MAPS.has(key), refer)]]
    }))
  }

  // Some write names that are no URIs, and mean the same name everywhere.
  #resolve (ref: string, base: string): string | null {
    return this.#find(ref, base) ?? this.#find(ref, BASE)
  }

  #find (ref: string, base: string): string | null {
    const uri = absolute(ref, base)
    if (uri === null) return null
    const pointer = this.#pointers.get(uri)
    if (pointer !== undefined) return pointer
    const resource = this.#pointers.get(bare(uri))
    if (resource === undefined) return null
    const fragment = decodeURIComponent(uri.slice(bare(uri).length + 1))
    if (fragment !== '' && !fragment.startsWith('/')) return null
    return this.#has(resource + fragment) ? resource + fragment : null
  }

  #has (pointer: string): boolean {
    let value: unknown = this.#root
    for (const key of pointer.split('/').slice(1)) {
      const name = key.replaceAll('~1', '/').replaceAll('~0', '~')
      if (!isObject(value) || !Object.hasOwn(value, name)) return false
      value = value[name]
    }
    return isObject(value) || typeof value === 'boolean'
  }
}

function baseOf ({ $id }: Json, base: string): string {
  return (typeof $id === 'string' ? absolute($id, base) : null) ?? base
}

function absolute (ref: string, base: string): string | null {
  try {
    return new URL(ref, base).href.replace(/#$/, '')
  } catch {
    return null
  }
}

/** Without the fragment. */
const bare = (uri: string): string => uri.replace(/#.*$/, '')
