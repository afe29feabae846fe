// Writing requests. The token is asked for once, kept for this tab, and asked for again when it is refused.
import type { ExperimentState, FaultSpec, FaultWindow, Problem } from './wire';

const KEY = 'tolerancia-token';
/** Clearing asks all replicas, and one that stands still takes its time. */
const TIMEOUT_MS = 30_000;

/** What the server, or the way to it, said no with. `detail` is the server's own English sentence. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
  ) {
    super(detail);
  }
}

/** The user closed the question for the token. */
export class Cancelled extends Error {}

/** Asks the user for the token; set by the dialog. Rejects with `Cancelled`. */
let ask: (wrong: boolean) => Promise<string> = () => Promise.reject(new Cancelled());
export function onAsk(how: typeof ask): void {
  ask = how;
}
let needed = () => false;
export function onNeeded(how: typeof needed): void {
  needed = how;
}

async function send(method: string, path: string, body: unknown, token: string | null): Promise<Response> {
  const headers: Record<string, string> = {};
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (token) headers['Authorization'] = `Bearer ${token}`;
  try {
    return await fetch(path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    throw new Refused(0, String(error));
  }
}

async function token(wrong: boolean): Promise<string> {
  for (let again = wrong; ; again = true) {
    const given = await ask(again);
    const answer = await send('POST', '/api/token', undefined, given);
    if (answer.ok) {
      sessionStorage.setItem(KEY, given);
      return given;
    }
    if (answer.status !== 401) throw await refused(answer);
  }
}

async function refused(answer: Response): Promise<Refused> {
  const text = await answer.text();
  let detail = text;
  try {
    const problem = JSON.parse(text) as Partial<Problem>;
    detail = problem.detail ?? problem.title ?? text;
  } catch {
    // Not a problem of the dashboard: its text is all there is.
  }
  return new Refused(answer.status, detail);
}

async function write<T>(method: string, path: string, body?: unknown): Promise<T> {
  let mine = sessionStorage.getItem(KEY);
  if (mine === null && needed()) mine = await token(false);
  let answer = await send(method, path, body, mine);
  if (answer.status === 401) {
    sessionStorage.removeItem(KEY);
    answer = await send(method, path, body, await token(mine !== null));
  }
  if (!answer.ok) throw await refused(answer);
  const text = await answer.text();
  return (text ? JSON.parse(text) : undefined) as T;
}

export interface NewExperiment {
  scenario: string;
  quick: boolean;
  trials?: number;
  seed?: number;
}

export const inject = (instance: string, spec: FaultSpec) =>
  write<FaultWindow>('POST', '/api/faults', { instance, ...spec });
export const clearInstance = (instance: string) =>
  write<unknown>('DELETE', `/api/faults/${encodeURIComponent(instance)}`);
export const clearAll = () => write<unknown>('DELETE', '/api/faults');
export const startExperiment = (body: NewExperiment) => write<ExperimentState>('POST', '/api/experiments', body);
export const stopExperiment = () => write<unknown>('DELETE', '/api/experiments/current');
