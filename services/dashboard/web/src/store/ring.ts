// The bounded memory of the page. All operations of the two rings take constant time.

/** The last `capacity` values, oldest first. */
export class Ring<T> {
  private readonly slots: (T | undefined)[];
  private next = 0;
  private filled = 0;

  constructor(readonly capacity: number) {
    this.slots = new Array<T | undefined>(capacity).fill(undefined);
  }

  get length(): number {
    return this.filled;
  }

  push(value: T): void {
    this.slots[this.next] = value;
    this.next = (this.next + 1) % this.capacity;
    this.filled = Math.min(this.filled + 1, this.capacity);
  }

  last(): T | undefined {
    return this.filled === 0 ? undefined : this.slots[(this.next + this.capacity - 1) % this.capacity];
  }

  clear(): void {
    this.slots.fill(undefined);
    this.next = 0;
    this.filled = 0;
  }

  toArray(): T[] {
    const from = this.next - this.filled + this.capacity;
    const all: T[] = [];
    for (let n = 0; n < this.filled; n += 1) all.push(this.slots[(from + n) % this.capacity] as T);
    return all;
  }
}

/**
 * One value for each of the last `seconds` seconds up to the newest that was put. A later value of a second takes the
 * place of the earlier one; what is older than the window is not taken in. As in the server's own window, nothing comes
 * later than by twice its length: then a clock was set back, and it begins anew.
 */
export class Seconds<T extends { second: number }> {
  private readonly slots: (T | undefined)[];
  private newest = -Infinity;
  private filled = 0;

  constructor(readonly seconds: number) {
    this.slots = new Array<T | undefined>(seconds).fill(undefined);
  }

  get length(): number {
    return this.filled;
  }

  /** The newest second of which something is known, Unix time. */
  get last(): T | undefined {
    return Number.isFinite(this.newest) ? this.at(this.newest) : undefined;
  }

  put(value: T): void {
    if (!Number.isInteger(value.second)) return;
    if (this.newest - value.second >= 2 * this.seconds) this.clear();
    if (value.second <= this.newest - this.seconds) return;
    if (value.second > this.newest) {
      // What falls out of the window is forgotten: at most `seconds` slots, however long nothing came.
      const gone = Math.min(value.second - Math.max(this.newest, value.second - this.seconds), this.seconds);
      for (let n = 0; n < gone; n += 1) this.drop(value.second - n);
      this.newest = value.second;
    }
    const slot = this.slot(value.second);
    if (this.slots[slot] === undefined) this.filled += 1;
    this.slots[slot] = value;
  }

  at(second: number): T | undefined {
    const value = this.slots[this.slot(second)];
    return value?.second === second ? value : undefined;
  }

  clear(): void {
    this.slots.fill(undefined);
    this.newest = -Infinity;
    this.filled = 0;
  }

  /** Oldest first. */
  toArray(): T[] {
    const all: T[] = [];
    if (!Number.isFinite(this.newest)) return all;
    for (let second = this.newest - this.seconds + 1; second <= this.newest; second += 1) {
      const value = this.at(second);
      if (value) all.push(value);
    }
    return all;
  }

  private slot(second: number): number {
    return ((second % this.seconds) + this.seconds) % this.seconds;
  }

  private drop(second: number): void {
    const slot = this.slot(second);
    if (this.slots[slot] === undefined) return;
    this.slots[slot] = undefined;
    this.filled -= 1;
  }
}

/** The place of the last one for which `is` holds; -1 if there is none. */
export function lastIndex<T>(all: readonly T[], is: (one: T) => boolean): number {
  let n = all.length - 1;
  while (n >= 0 && !is(all[n] as T)) n -= 1;
  return n;
}
