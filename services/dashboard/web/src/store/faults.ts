// Which fault was there when: the windows for the charts, and the fault that each verdict belongs to.
import type { AuditEntry, FaultName, FaultWindow } from '../wire';

/** A fault from its activation to its end, Unix milliseconds; `to` is null while it is active. */
export interface Span {
  instance: string;
  fault: FaultName;
  from: number;
  to: number | null;
}

/** A detection so long after the end of a fault is still about it; the monitor's audit goes by the same. */
const AFTERMATH_MS = 10_000;
/** A crash that no verdict followed is shown for as long as the supervisor needs to restart it. */
const CRASH_MS = 1_000;

/** When each fault began and ended. A crash takes its fault with it: it ends when the instance is ON again. */
export function spans(faults: readonly FaultWindow[], failures: readonly AuditEntry[]): Span[] {
  return faults.map((window) => {
    const from = Date.parse(window.activated_at.at);
    const { instance, fault } = window;
    if (fault === 'crash') return { instance, fault, from, to: crashEnd(instance, from, failures) };
    const cleared = window.cleared_at ? Date.parse(window.cleared_at.at) : null;
    // Not active and without an end: an instant is all that is certain.
    return { instance, fault, from, to: cleared ?? (window.active ? null : from + CRASH_MS) };
  });
}

/** When the instance was ON again. It was OFF already, or was turned OFF soon: a later OFF is about something else. */
function crashEnd(instance: string, from: number, failures: readonly AuditEntry[]): number | null {
  let off = false;
  // Newest first: from the past onwards is from the back to the front.
  for (let n = failures.length - 1; n >= 0; n -= 1) {
    const entry = failures[n];
    if (!entry || entry.instance !== instance) continue;
    const at = Date.parse(entry.at);
    if (at < from) off = entry.to === 'OFF';
    else if (entry.to === 'OFF') off ||= at <= from + AFTERMATH_MS;
    else if (off) return at;
  }
  return off ? null : from + CRASH_MS;
}

/**
 * The fault of each verdict, by `seq`: an OFF belongs to the newest fault of its instance that was active then, and
 * what follows until the next OFF belongs to the same. Absent where no fault is known.
 */
export function attribute(failures: readonly AuditEntry[], all: readonly Span[]): Map<number, FaultName> {
  const found = new Map<number, FaultName>();
  const latest = new Map<string, FaultName | undefined>();
  for (let n = failures.length - 1; n >= 0; n -= 1) {
    const entry = failures[n];
    if (!entry) continue;
    if (entry.from === 'ON' && entry.to === 'OFF') {
      const at = Date.parse(entry.at);
      let best: Span | undefined;
      for (const span of all) {
        // A crash is over in an instant; what is drawn of it is its consequence.
        const end = span.fault === 'crash' ? span.from : (span.to ?? Infinity);
        const inside = span.from <= at && at <= end + AFTERMATH_MS;
        if (span.instance === entry.instance && inside && (!best || span.from > best.from)) best = span;
      }
      latest.set(entry.instance, best?.fault);
    }
    const fault = latest.get(entry.instance);
    if (fault) found.set(entry.seq, fault);
    if (entry.to === 'ON') latest.delete(entry.instance);
  }
  return found;
}
