/** Members by key. A key with one member, as most have, costs no set. */
export class Groups<Member extends object> {
  readonly #groups = new Map<string, Member | Set<Member>>()

  add (key: string, member: Member): void {
    const group = this.#groups.get(key)
    if (group === undefined) this.#groups.set(key, member)
    else if (group instanceof Set) group.add(member)
    else if (group !== member) this.#groups.set(key, new Set([group, member]))
  }

  /** Nothing happens if it is not there. */
  remove (key: string, member: Member): void {
    const group = this.#groups.get(key)
    if (group === member) this.#groups.delete(key)
    else if (group instanceof Set && group.delete(member) && group.size === 0) this.#groups.delete(key)
  }

  /** The members now: a list of its own. */
  of (key: string): Member[] {
    const group = this.#groups.get(key)
    return group === undefined ? [] : group instanceof Set ? [...group] : [group]
  }
}
