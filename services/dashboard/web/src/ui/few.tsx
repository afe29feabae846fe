// A list of which the first few are shown, and the rest on demand.
import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { t } from '../i18n';

/** `what` names the list to tests and to the style. */
export function FewOf<T>({
  list,
  few,
  what,
  empty,
  row,
}: {
  list: readonly T[];
  few: number;
  what: string;
  empty: string;
  row: (one: T) => ComponentChildren;
}) {
  const [all, setAll] = useState(false);
  return (
    <>
      {list.length === 0 ? (
        <p class="empty" data-testid={what}>
          {empty}
        </p>
      ) : (
        <ul class={what} data-testid={what}>
          {(all ? list : list.slice(0, few)).map(row)}
        </ul>
      )}
      {list.length > few && (
        <button type="button" class="quiet more" aria-expanded={all} onClick={() => setAll(!all)}>
          {all ? t.showLess : t.show(list.length - few)}
        </button>
      )}
    </>
  );
}
