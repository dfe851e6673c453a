import { element } from './view.js'

/** Lets a person sign in. Resolves with the name, once the server has given a token for it. */
export function askName (): Promise<string> {
  const dialog = element<HTMLDialogElement>('sign-in')
  const field = element<HTMLInputElement>('name')
  dialog.addEventListener('cancel', (event) => event.preventDefault())
  dialog.showModal()
  return new Promise((resolve) => {
    element('sign-in-form').addEventListener('submit', (event) => {
      event.preventDefault()
      const name = field.value.trim()
      tokenFor(name).then(() => {
        dialog.close()
        resolve(name)
      }, () => { element('sign-in-trouble').textContent = 'The server does not answer.' })
    })
  })
}

/** A token for a person who has signed in. */
export async function tokenFor (name: string): Promise<string> {
  const response = await fetch('/token', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name }) })
  if (!response.ok) throw new Error(`no token: ${response.status}`)
  const { token } = await response.json() as { token: string }
  return token
}
