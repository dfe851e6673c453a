import { posix } from 'node:path'
import ts from 'typescript'

/** Source files by their path from the root of the project. */
export type Tree = Readonly<Record<string, string>>

interface Import {
  /** A path in the tree, or the name of a package. */
  readonly target: string
  readonly isFile: boolean
  readonly isTypeOnly: boolean
}

/** The layers, the lowest first. What stands in one row stands side by side. */
const LAYERS = [['types'], ['protocol'], ['core'], ['storage', 'testkit'], ['broker'], ['connection', 'client'], ['http'], ['index']]

/** All that the client may import besides itself: it is no part of the server. */
const CLIENT_IMPORTS = ['core', 'protocol', 'types']

/** Where the client may touch Node: a platform is the place for what a platform has. */
const NODE_IN_CLIENT = ['lib/client/platform/node.ts', 'lib/client/node.ts']

/** Packages that only some layers may know. */
const CONFINED: ReadonlyArray<{ readonly isPackage: RegExp, readonly isAllowed: RegExp }> = [
  { isPackage: /^node:/, isAllowed: /^(?!lib\/(client|core|protocol)\/)/ },
  { isPackage: /^(@fastify\/|fastify($|\/|-))/, isAllowed: /^(lib\/http\/|lib\/index\.ts$|types\/)/ },
  { isPackage: /^ioredis($|\/)/, isAllowed: /^lib\/storage\/redis\// }
]

function layerOf (path: string): string {
  if (path.startsWith('types/')) return 'types'
  const [, layer, rest] = path.split('/')
  return rest === undefined ? 'index' : layer as string
}

const rankOf = (layer: string): number => LAYERS.findIndex((row) => row.includes(layer))

/** What breaks the order of the layers in a tree, one line each; empty if nothing does. */
export function violations (tree: Tree): string[] {
  const graph = new Map(Object.entries(tree).map(([path, source]) => [path, importsOf(path, source)]))
  return [...graph].flatMap(([path, imports]) => imports.flatMap((one) => one.isFile ? wrongArrow(path, one, graph) : wrongPackage(path, one)))
    .concat(cycles(graph), typeboxInClient(graph))
}

function wrongArrow (path: string, { target }: Import, graph: ReadonlyMap<string, unknown>): string[] {
  if (!graph.has(target)) return [`${path} imports ${target}, which is not there`]
  const [from, to] = [layerOf(path), layerOf(target)]
  if (rankOf(from) < 0) return [`${path} is in no layer`]
  if (from === to) return []
  if (from === 'client' && !CLIENT_IMPORTS.includes(to)) return [`${path} imports ${target}: the client knows no server`]
  return rankOf(to) < rankOf(from) ? [] : [`${path} imports ${target}: up or aside`]
}

function wrongPackage (path: string, { target }: Import): string[] {
  if (NODE_IN_CLIENT.includes(path) && target.startsWith('node:')) return []
  return CONFINED.some(({ isPackage, isAllowed }) => isPackage.test(target) && !isAllowed.test(path)) ? [`${path} imports ${target}`] : []
}

/** Every cycle that a depth-first walk comes upon, also by imports of types. */
function cycles (graph: ReadonlyMap<string, readonly Import[]>): string[] {
  const done = new Set<string>()
  const found: string[] = []
  const walk = (path: string, way: readonly string[]): void => {
    if (way.includes(path)) {
      found.push(`cycle: ${[...way.slice(way.indexOf(path)), path].join(' -> ')}`)
    } else if (!done.has(path)) {
      for (const { target } of graph.get(path) ?? []) walk(target, [...way, path])
      done.add(path)
    }
  }
  for (const path of graph.keys()) walk(path, [])
  return found
}

/** The schemas are for the server: the client's bundle must stay small, so it has types only from where they are. */
function typeboxInClient (graph: ReadonlyMap<string, readonly Import[]>): string[] {
  const reached = new Map([...graph.keys()].filter((path) => layerOf(path) === 'client').map((path) => [path, path]))
  for (const [path, way] of reached) {
    for (const { target, isTypeOnly } of graph.get(path) ?? []) {
      if (isTypeOnly || reached.has(target)) continue
      if (/^typebox($|\/)/.test(target)) return [`${way} -> ${target}: in the client's bundle`]
      reached.set(target, `${way} -> ${target}`)
    }
  }
  return []
}

function importsOf (path: string, source: string): Import[] {
  const imports: Import[] = []
  const add = (specifier: ts.Node | undefined, isTypeOnly: boolean): void => {
    if (specifier === undefined || !ts.isStringLiteralLike(specifier)) return
    const isFile = specifier.text.startsWith('.')
    const target = isFile ? posix.join(posix.dirname(path), specifier.text).replace(/\.js$/, '.ts') : specifier.text
    imports.push({ target, isFile, isTypeOnly })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, node.importClause?.isTypeOnly ?? false)
    else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isImportTypeNode(node)) add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, true)
    else if (ts.isCallExpression(node) && isLoading(node.expression)) add(node.arguments[0], false)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(path, source, ts.ScriptTarget.Latest))
  return imports
}

function isLoading (callee: ts.Expression): boolean {
  return callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === 'require')
}
