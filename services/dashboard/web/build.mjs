// Builds the page into ../assets, byte for byte the same wherever it runs.
// `--check` builds in memory and fails where ../assets differs: for CI.
import { build } from 'esbuild';
import { readFile, writeFile, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const assets = join(here, '..', 'assets');
const LIMIT = 150 * 1024;

/** The notice that the licences of what is bundled ask for; the full texts are in THIRD-PARTY.md. */
const banner =
  '/*! tolerancia, Apache-2.0. With Preact (c) Jason Miller and uPlot (c) Leon Sorokin, both MIT:' +
  ' services/dashboard/web/THIRD-PARTY.md */';

/** All files of the page, by name. */
export async function files() {
  const bundle = await build({
    absWorkingDir: here,
    entryPoints: { app: 'src/main.tsx', 'app-style': 'src/style/app.css' },
    outdir: 'out',
    bundle: true,
    write: false,
    minify: true,
    format: 'esm',
    target: ['es2022', 'chrome110', 'firefox115', 'safari16'],
    charset: 'utf8',
    legalComments: 'none',
    banner: { js: banner, css: banner },
    jsx: 'automatic',
    jsxImportSource: 'preact',
    metafile: process.argv.includes('--analyze'),
    logLevel: 'warning',
  });
  if (bundle.metafile) {
    for (const [out, { inputs }] of Object.entries(bundle.metafile.outputs)) {
      const rows = Object.entries(inputs).sort((a, b) => b[1].bytesInOutput - a[1].bytesInOutput);
      for (const [name, { bytesInOutput }] of rows.slice(0, 25)) console.log(out, bytesInOutput, name);
    }
  }
  const all = new Map();
  for (const { path, contents } of bundle.outputFiles) {
    all.set(path.endsWith('.css') ? 'app.css' : 'app.js', Buffer.from(contents));
  }
  for (const name of ['index.html', 'favicon.svg']) all.set(name, await readFile(join(here, 'src', name)));
  return all;
}

const all = await files();
const total = [...all.values()].reduce((sum, bytes) => sum + bytes.length, 0);
let wrong = 0;
await mkdir(assets, { recursive: true });
for (const [name, bytes] of [...all].sort(([a], [b]) => a.localeCompare(b))) {
  const path = join(assets, name);
  if (process.argv.includes('--check')) {
    const there = await readFile(path).catch(() => Buffer.alloc(0));
    if (!there.equals(bytes)) {
      console.error(`${name} differs from what its source builds: run npm run build`);
      wrong += 1;
    }
  } else {
    await writeFile(path, bytes);
  }
  console.log(`${name.padEnd(12)} ${String(bytes.length).padStart(7)} bytes`);
}
console.log(`${'total'.padEnd(12)} ${String(total).padStart(7)} bytes of at most ${LIMIT}`);
if (total > LIMIT) {
  console.error('the page is too large');
  wrong += 1;
}
process.exitCode = wrong ? 1 : 0;
