// Photographs of the page: `npm run shots -- DIRECTORY [only]`. Needs chromium (CHROMIUM, else /usr/bin/chromium).
import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const [directory = 'shots', only = ''] = process.argv.slice(2);
await mkdir(directory, { recursive: true });
const server = join(dirname(fileURLToPath(import.meta.url)), 'server.mjs');
const PORT = 5117;
const SHOTS = [
  ['calm', 1280, 'light', 'en-US'],
  ['calm', 390, 'dark', 'es-CL'],
  ['latency', 1280, 'dark', 'es-CL'],
  ['latency', 390, 'light', 'en-US'],
  ['incorrect', 1280, 'light', 'es-CL'],
  ['incorrect', 390, 'light', 'es-CL'],
  ['quorum', 1280, 'light', 'es-CL'],
  ['quorum', 390, 'dark', 'en-US'],
  ['experiment', 1280, 'dark', 'en-US'],
  ['experiment', 800, 'light', 'es-CL'],
];

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
let wrong = 0;
for (const [scenario, width, colorScheme, locale] of SHOTS) {
  const name = `${scenario}-${width}-${colorScheme}-${locale.slice(0, 2)}`;
  if (!name.includes(only)) continue;
  const child = spawn(process.execPath, [server, '--scenario', scenario, '--port', String(PORT)], { stdio: ['ignore', 'pipe', 'inherit'] });
  await new Promise((ready) => child.stdout.once('data', ready));
  const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme, locale, deviceScaleFactor: 1 });
  page.on('console', (message) => ['error', 'warning'].includes(message.type()) && (wrong += 1, console.error(name, message.text())));
  page.on('pageerror', (error) => ((wrong += 1), console.error(name, error)));
  await page.goto(`http://localhost:${PORT}/`);
  await page.waitForTimeout(scenario === 'experiment' ? 14_000 : 6_000);
  const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  if (over > 0) (wrong += 1), console.error(name, `is ${over} px too wide`);
  await page.screenshot({ path: join(directory, `${name}.png`), fullPage: true });
  await page.close();
  child.kill();
  await new Promise((gone) => child.once('exit', gone));
  console.log(name);
}
await browser.close();
process.exitCode = wrong ? 1 : 0;
