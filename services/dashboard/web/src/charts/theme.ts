// Colours of the charts come from the style sheet, so that both themes are in one place.

const dark = matchMedia('(prefers-color-scheme: dark)');
let cache = new Map<string, string>();

/** The value of a custom property in the present theme. */
export function colour(name: string): string {
  const known = cache.get(name);
  if (known !== undefined) return known;
  const value = getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  cache.set(name, value);
  return value;
}

export function onTheme(draw: () => void): () => void {
  const changed = () => {
    cache = new Map();
    draw();
  };
  dark.addEventListener('change', changed);
  return () => dark.removeEventListener('change', changed);
}

/** How a series looks: never by its colour alone. */
export interface Look {
  colour: string;
  dash: number[];
}

const DASHES = [[], [7, 3], [2, 2.5], [9, 3, 2, 3], [4, 2], [12, 3], [1, 3]];

/** The look of an instance, the same in all panels. */
export function instanceLook(instance: string): Look {
  const n = (Number(instance) - 1 + 7) % 7;
  return { colour: `--series-${n + 1}`, dash: DASHES[n] ?? [] };
}
