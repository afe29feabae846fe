// What time it is where the data come from. Their stamps are of other hosts' clocks, and any clock may be set.

/** A stamp that is so far from where it was expected is no late one: a clock was set. */
const STEP_MS = 5_000;
/** How much of what a stamp is late is believed. The ways differ in length; a clock that drifts is followed all the same. */
const BELIEF = 0.02;

/** The clock by which some data are stamped, as far as their stamps tell. */
export class DataClock {
  /** Milliseconds that it is ahead of this machine's; null as long as nothing is known. */
  private aheadMs: number | null = null;
  private newestMs = -Infinity;

  /** Data with this stamp came when this machine's clock showed `nowMs`. Whether one of the two was set meanwhile. */
  heard(stampMs: number, nowMs: number): boolean {
    const ahead = stampMs - nowMs;
    if (!Number.isFinite(ahead)) return false;
    const known = this.aheadMs;
    const stepped = known !== null && Math.abs(ahead - known) > STEP_MS;
    // What came the quickest way tells the time best.
    if (known === null || stepped || ahead > known) this.aheadMs = ahead;
    else this.aheadMs = known + (ahead - known) * BELIEF;
    this.newestMs = stampMs;
    return stepped;
  }

  forget(): void {
    this.aheadMs = null;
    this.newestMs = -Infinity;
  }

  /** What it showed when this machine's clock showed `nowMs`, but not less than the last stamp; null if that is not known. */
  at(nowMs: number): number | null {
    return this.aheadMs === null ? null : Math.max(nowMs + this.aheadMs, this.newestMs);
  }
}

/** The clocks by which the charts go. */
export class Clocks {
  private readonly of = { suspicion: new DataClock(), requests: new DataClock(), votes: new DataClock() };

  suspicion(stampMs: number, nowMs: number): void {
    // Without traffic there is nothing from which to learn of the step.
    if (this.of.suspicion.heard(stampMs, nowMs)) this.of.requests.forget();
  }

  /** A row is told when its second is over, so its end counts. */
  requests(second: number, nowMs: number): void {
    this.of.requests.heard((second + 1) * 1_000, nowMs);
  }

  votes(second: number, nowMs: number): void {
    this.of.votes.heard((second + 1) * 1_000, nowMs);
  }

  /** The time of these data when this machine's clock showed `nowMs`; null if it is not known. */
  at(charted: Charted, nowMs: number): number | null {
    const own = this.of[charted].at(nowMs);
    if (charted !== 'requests') return own;
    // Rows of requests come late and only while there are any: the monitor's clock tells the time better, unless theirs is
    // another one.
    const monitors = this.of.suspicion.at(nowMs);
    const near = monitors !== null && (own === null || Math.abs(own - monitors) < STEP_MS);
    return near ? monitors : own;
  }
}

/** What there are charts of. */
export type Charted = 'suspicion' | 'requests' | 'votes';
