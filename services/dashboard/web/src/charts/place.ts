// Where names stand beside one another in a row without overlapping.

/**
 * The place of each name: where it begins, or null where there is no room. Who comes first is served first; begin with
 * the rightmost. `wanted` is where a name would begin; one that would reach over `right` begins further to the left.
 */
export function places(
  names: readonly { wanted: number; width: number }[],
  left: number,
  right: number,
  gap: number,
): (number | null)[] {
  let free = right;
  return names.map(({ wanted, width }) => {
    const at = Math.min(wanted, right - width);
    if (at < left || at + width > free) return null;
    free = at - gap;
    return at;
  });
}
