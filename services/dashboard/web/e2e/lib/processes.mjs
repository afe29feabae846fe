// Processes that the tests start. All of them carry a mark in their environment, which their children inherit, so that
// whatever is left of them is found.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const MARK = 'TOLERANCIA_E2E';

/** The repository. */
export const root = fileURLToPath(new URL('../../../../../', import.meta.url));

/** The program under test. */
export const program = resolve(process.env.TOLERANCIA_BIN || join(root, 'target/debug/tolerancia'));
if (!existsSync(program)) {
  throw new Error(`${program} is missing: build it with \`cargo build\`, or name it in TOLERANCIA_BIN`);
}

/** Variables that say how a system is to be: the tests decide that, not who runs them. */
const OURS = new RegExp(
  '^(KAFKA_.*|FAULT_.*|DASHBOARD.*|DETECTOR.*|LATE_.*|[A-Z]+_URLS?|DATA_DIR|BASE_PORT|REPLICAS|SERVICE_NAME|' +
    'INSTANCE_ID|BIND|PORT|RESULTS_DIR|SCENARIOS_DIR|EXPERIMENTS|LOG_FORMAT)$',
);

const dirs = new Set();

/** A directory of the test's own, gone at the end. */
export function directory() {
  const dir = mkdtempSync(join(tmpdir(), 'tolerancia-e2e-'));
  dirs.add(dir);
  return dir;
}

/** Removes a directory of the test's own. */
export function remove(dir) {
  rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  dirs.delete(dir);
}

/**
 * Starts the program with these arguments, in `dir`, which is its mark as well.
 *
 * @returns {import('node:child_process').ChildProcess}
 */
export function start(args, { dir, env = {}, stdio = ['ignore', 'pipe', 'pipe'] }) {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !OURS.test(name)));
  return spawn(program, args, { cwd: dir, env: { ...clean, ...env, [MARK]: dir }, stdio });
}

/** Runs the program to its end. */
export async function run(args, { dir, env, within = 20_000 }) {
  const child = start(args, { dir, env });
  let out = '';
  child.stdout.on('data', (chunk) => (out += chunk));
  child.stderr.on('data', (chunk) => (out += chunk));
  const timer = setTimeout(() => child.kill('SIGKILL'), within);
  const [code, signal] = await once(child, 'close');
  clearTimeout(timer);
  return { code: code ?? signal, out };
}

/** Runs the program, which must succeed. */
export async function must(args, options) {
  const { code, out } = await run(args, options);
  if (code !== 0) throw new Error(`tolerancia ${args.join(' ')} ended with ${code}:\n${out}`);
  return out;
}

/** Waits for the end of a child, and insists after a while. Returns its exit code or signal. */
export async function ended(child, within = 15_000) {
  if (child.exitCode === null && child.signalCode === null) {
    const timer = setTimeout(() => child.kill('SIGKILL'), within);
    await once(child, 'exit');
    clearTimeout(timer);
  }
  return child.exitCode ?? child.signalCode;
}

/** Processes with the mark `dir`: their ids and command lines. */
export function marked(dir) {
  const found = [];
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const environment = readFileSync(`/proc/${entry}/environ`, 'latin1');
      if (!environment.split('\0').includes(`${MARK}=${dir}`)) continue;
      const line = readFileSync(`/proc/${entry}/cmdline`, 'latin1').replaceAll('\0', ' ').trim();
      found.push({ pid: Number(entry), line });
    } catch {
      // It ended meanwhile, or is somebody else's.
    }
  }
  return found;
}

/** Kilobytes of memory that a process has at hand. */
export function residentKiB(pid) {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? NaN);
}

/** A base port with all ports of a system free. */
export async function freeBase() {
  // Test programs that run at the same time begin at different places.
  for (let n = 0; n < 60; n += 1) {
    const base = 22_001 + ((process.pid + n) % 60) * 100;
    const free = await Promise.all([0, 1, 2, 3, 4, 5, 6, 7, 91].map((offset) => isFree(base + offset)));
    if (free.every(Boolean)) return base;
  }
  throw new Error('no free ports from 22001 to 28001');
}

function isFree(port) {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** Nothing here takes this long: a browser or a service that hangs must not hang the tests. */
const LONGEST_MS = 600_000;
setTimeout(() => {
  console.error(`not done after ${LONGEST_MS / 1000} s`);
  process.exit(1);
}, LONGEST_MS).unref();

// Whoever interrupts the tests wants nothing left of them.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(130));
process.on('exit', () => {
  for (const dir of dirs) {
    for (const { pid } of marked(dir)) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It ended meanwhile.
      }
    }
    if (!process.env.KEEP) rmSync(dir, { recursive: true, force: true });
  }
});
