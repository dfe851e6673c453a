import { createClient } from '../../../lib/client/browser.js' // in your project: 'fastify-push/client'

const byId = (id: string): HTMLElement => document.getElementById(id) as HTMLElement
const [form, out, state, list] = [byId('in') as HTMLFormElement, byId('out'), byId('state'), byId('inbox')]

/** Connects with whatever cookie there is; without one the service says no, and the form is there. */
function connect (): void {
  const client = createClient(`${location.origin.replace('http', 'ws')}/push`)
  const show = (text: string): void => {
    const isIn = text === 'live'
    state.textContent = isIn ? 'Signed in.' : text === 'closed' ? 'Signed out.' : 'Connecting…'
    form.hidden = text !== 'closed'
    out.hidden = !isIn
  }
  client.on('state', show)
  client.on('error', () => {}) // that it was refused shows in the state
  list.replaceChildren()
  client.inbox.subscribe(({ data, timestamp }) => {
    const item = document.createElement('li')
    item.textContent = `${new Date(timestamp).toLocaleTimeString()} ${(data as { text: string }).text}`
    list.prepend(item)
  }, { rewind: 10 })
}

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  const body = JSON.stringify({ name: new FormData(form).get('name') })
  const { ok } = await fetch('session', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
  if (ok) connect()
})
out.addEventListener('click', () => fetch('session', { method: 'DELETE' }))
connect()
