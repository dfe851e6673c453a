import type { FastifyInstance } from 'fastify'
import { HookScope } from '../broker/hooks.js'

/**
 * Gives each Fastify instance something of its own, made when it is first asked for, in a scope within that of the instance around it.
 * `root`: the outermost instance. Encapsulated instances have the one around them as their prototype.
 */
export function perInstance<Value> (root: FastifyInstance, rootScope: HookScope, make: (scope: HookScope) => Value): (instance: FastifyInstance) => Value {
  const scopes = new WeakMap<object, HookScope>([[root, rootScope]])
  const values = new WeakMap<object, Value>()
  const scopeOf = (instance: object): HookScope => {
    let scope = scopes.get(instance)
    if (scope === undefined) {
      const around = Object.getPrototypeOf(instance) as object | null
      scopes.set(instance, scope = new HookScope(around === null ? rootScope : scopeOf(around)))
    }
    return scope
  }
  return (instance) => {
    let value = values.get(instance)
    if (value === undefined) values.set(instance, value = make(scopeOf(instance)))
    return value
  }
}
