/**
 * Remakes the pictures of README from the real page: `npm start` must be running.
 *   npx tsx scripts/screenshots.ts [http://127.0.0.1:8080]
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { chromium } from 'playwright-core'

const url = process.argv[2] ?? 'http://127.0.0.1:8080'
const out = resolve(import.meta.dirname, '../docs/images')
const executablePath = ['/usr/bin/chromium', '/usr/bin/google-chrome'].find((p) => existsSync(p))
if (executablePath === undefined) throw new Error('expected a Chromium in /usr/bin, found none')

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
const page = await browser.newPage({ viewport: { width: 1280, height: 860 } })
await page.goto(`${url}/playground`)
await page.waitForSelector('#presets button')

/** Runs a preset to its end and takes a picture; the page has selected the first token that was changed. */
async function shoot(title: string, name: string): Promise<void> {
  await page.click(`#presets button:text-is("${title}")`)
  await page.waitForFunction(
    () =>
      document.querySelectorAll('#guarded .t').length > 0 &&
      document.querySelector<HTMLButtonElement>('#run')?.disabled === false,
    undefined,
    { timeout: 60_000 },
  )
  await page.waitForTimeout(500)
  await page.evaluate(() => scrollTo(0, 0))
  await page.screenshot({ path: resolve(out, `${name}.png`) })
}

await shoot('Banned phrase', 'playground-light')
await page.emulateMedia({ colorScheme: 'dark' })
await page.reload()
await page.waitForSelector('#presets button')
await shoot('Risk rising', 'playground-dark')
await browser.close()
