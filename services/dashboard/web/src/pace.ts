/** Does something at once when asked, and then at most once in `ms`, however often it is asked. */
export function paced(ms: number, act: () => void): { ask: () => void; stop: () => void } {
  let timer: ReturnType<typeof setTimeout> | null = null;
  let again = false;
  const ask = () => {
    if (timer !== null) {
      again = true;
      return;
    }
    again = false;
    timer = setTimeout(() => {
      timer = null;
      if (again) ask();
    }, ms);
    act();
  };
  const stop = () => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
  };
  return { ask, stop };
}
