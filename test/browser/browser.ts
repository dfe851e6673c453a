import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type BrowserContext, type Page } from 'playwright-core'
import { findChromium } from './chromium.js'

const ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

/** Pages of one Chromium. */
export interface Browser {
  /** Opens a page. */
  open (url: string, viewport?: { width: number, height: number }): Promise<Page>
  /** What pages have complained of: errors of the console and of scripts. */
  readonly complaints: string[]
  /** Closes all pages. */
  closePages (): Promise<void>
  /** Takes a picture of every page. Resolves with the directory. */
  picture (): Promise<string>
  /** Ends it and removes its profile. */
  close (): Promise<void>
}

/** Starts a Chromium with a fresh profile. */
export async function startBrowser (options: { colorScheme?: 'light' | 'dark' } = {}): Promise<Browser> {
  const executablePath = findChromium()
  const profile = await mkdtemp(join(tmpdir(), 'fastify-push-chromium-'))
  const context = await chromium.launchPersistentContext(profile, { executablePath, headless: true, args: ARGS, ...options })
  context.setDefaultTimeout(20_000)
  const complaints: string[] = []
  const open = async (url: string, viewport = { width: 1200, height: 800 }) => {
    const page = await context.newPage()
    page.on('console', (message) => { if (message.type() === 'error') complaints.push(message.text()) })
    page.on('pageerror', (error) => complaints.push(String(error)))
    await page.setViewportSize(viewport)
    await page.goto(url)
    return page
  }
  const closePages = async () => {
    for (const page of context.pages()) await page.close()
  }
  const close = async () => {
    await context.close()
    await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  }
  return { open, complaints, closePages, picture: () => picture(context), close }
}

async function picture (context: BrowserContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'fastify-push-pictures-'))
  for (const [i, page] of context.pages().entries()) await page.screenshot({ path: join(directory, `page-${i}.png`) })
  return directory
}
