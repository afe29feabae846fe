// The page with a made-up system behind it: `npm run dev -- --scenario calm|latency|incorrect|quorum|experiment
// --port 5107 --token secret --replicas 3 --no-injection --no-experiments --ahead 3600`. Speaks the interface of the
// dashboard's own server, with the same headers. `--ahead`: seconds that its clock is ahead of the services'. For tests:
// POST /mock/source/NAME/up|down, POST /mock/cut (all streams), POST /mock/silence (nothing is sent any more, connections
// stay), POST /mock/refuse (no stream is given) and POST /mock/speak.
import { createServer } from 'node:http';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { World } from './world.mjs';

const { values: args } = parseArgs({
  options: {
    scenario: { type: 'string', default: 'calm' },
    port: { type: 'string', default: '5107' },
    token: { type: 'string' },
    replicas: { type: 'string', default: '3' },
    'no-injection': { type: 'boolean', default: false },
    'no-experiments': { type: 'boolean', default: false },
    ahead: { type: 'string', default: '0' },
  },
});
const assets = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'assets');
const CSP =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const FILES = {
  '/': ['index.html', 'text/html; charset=utf-8'],
  '/app.js': ['app.js', 'text/javascript; charset=utf-8'],
  '/app.css': ['app.css', 'text/css; charset=utf-8'],
  '/favicon.svg': ['favicon.svg', 'image/svg+xml'],
};

const epoch = Math.random().toString(16).slice(2, 10);
const streams = new Set();
const ring = [];
let id = 0;
let silent = false;

const frame = (name, data) => `id: ${epoch}-${id}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;
const world = new World({
  replicas: Number(args.replicas),
  token: args.token !== undefined,
  injection: !args['no-injection'],
  experiments: !args['no-experiments'] && !args['no-injection'],
  ahead: Number(args.ahead) * 1_000,
  emit(name, data) {
    id += 1;
    const text = frame(name, data);
    ring.push([id, text]);
    if (ring.length > 1024) ring.shift();
    if (!silent) for (const stream of streams) stream.write(text);
  },
});

const SCENES = {
  calm: [],
  latency: [{ instance: '2', fault: 'latency', latency_ms: 1_200, scope: 'all' }],
  incorrect: [{ instance: '1', fault: 'incorrect', product: 'PROD-001' }],
  quorum: [
    { instance: '1', fault: 'freeze' },
    { instance: '3', fault: 'intermittent', probability: 0.5, scope: 'queries' },
  ],
  experiment: [],
};
const scene = SCENES[args.scenario];
if (!scene) throw new Error(`no scenario ${args.scenario}: one of ${Object.keys(SCENES).join(', ')}`);
for (const fault of scene) world.inject(fault);
if (args.scenario === 'experiment') world.start({ scenario: 'classic', quick: true, seed: 7 });
setInterval(() => world.tick(), 200);

function problem(response, status, detail) {
  response.writeHead(status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify({ type: 'about:blank', title: 'Error', status, detail }));
}

function json(response, status, body) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(body === undefined ? undefined : JSON.stringify(body));
}

function live(request, response) {
  if (silent === 'refuse') return problem(response, 503, 'too many streams: close another page');
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  response.write('retry: 1000\n\n');
  const last = /^(.+)-(\d+)$/.exec(request.headers['last-event-id'] ?? '');
  streams.add(response);
  const from = last?.[1] === epoch ? Number(last[2]) : null;
  if (silent) {
    // Nothing, not even what is known.
  } else if (from !== null && (ring[0]?.[0] ?? Infinity) <= from + 1) {
    for (const [n, text] of ring) if (n > from) response.write(text);
  } else {
    response.write(frame('snapshot', world.snapshot(epoch)));
  }
  const alive = setInterval(() => response.write(': alive\n\n'), 2_000);
  request.on('close', () => {
    clearInterval(alive);
    streams.delete(response);
  });
}

function mock(path, response) {
  const source = /^\/mock\/source\/([\w-]+)\/(up|down)$/.exec(path);
  if (source) world.source(source[1], source[2] === 'up');
  if (path === '/mock/silence') silent = true;
  if (path === '/mock/speak') silent = false;
  if (path === '/mock/refuse') silent = 'refuse';
  if (path === '/mock/cut' || path === '/mock/refuse') for (const stream of streams) stream.destroy();
  json(response, 204);
}

async function writing(request, path, response) {
  let text = '';
  for await (const chunk of request) text += chunk;
  if (path.startsWith('/mock/')) return mock(path, response);
  if (args['no-injection']) return problem(response, 404, 'fault injection is off');
  if (args.token !== undefined && request.headers.authorization !== `Bearer ${args.token}`) {
    return problem(response, 401, 'the token is missing or wrong: send Authorization: Bearer FAULT_TOKEN');
  }
  const one = /^\/api\/faults\/([^/]+)$/.exec(path);
  const key = `${request.method} ${path}`;
  if (key === 'POST /api/token') return json(response, 204);
  if (key === 'POST /api/faults') {
    const body = JSON.parse(text);
    if (body.product === 'NONE') return problem(response, 422, 'there is no product NONE: see GET /inventory');
    return json(response, 200, world.inject(body));
  }
  if (request.method === 'DELETE' && one) return world.clear(one[1]), json(response, 200, []);
  if (key === 'DELETE /api/faults') return world.clear(null), json(response, 200, []);
  if (key === 'POST /api/experiments') {
    if (world.experiment?.running) return problem(response, 409, 'an experiment runs already: wait, or stop it');
    return json(response, 202, world.start(JSON.parse(text)));
  }
  if (key === 'DELETE /api/experiments/current') return world.stop(), json(response, 202, {});
  return problem(response, 404, `there is no ${key}`);
}

createServer(async (request, response) => {
  const path = new URL(request.url, 'http://localhost').pathname;
  response.setHeader('x-content-type-options', 'nosniff');
  response.setHeader('referrer-policy', 'no-referrer');
  try {
    if (request.method !== 'GET') return await writing(request, path, response);
    if (path === '/api/live') return live(request, response);
    if (path.startsWith('/results/')) {
      response.writeHead(200, { 'content-type': 'text/html' });
      return response.end('<!doctype html><title>report</title><h1>A report</h1>');
    }
    const file = FILES[path];
    if (!file) return problem(response, 404, `there is no ${path}`);
    response.writeHead(200, { 'content-type': file[1], 'cache-control': 'no-cache', 'content-security-policy': CSP });
    response.end(await readFile(join(assets, file[0])));
  } catch (error) {
    problem(response, 500, String(error));
  }
}).listen(Number(args.port), '127.0.0.1', () => console.log(`http://localhost:${args.port}/ ${args.scenario}`));
