import { useEffect } from 'preact/hooks';
import { Cancelled, Refused } from '../api';
import { useRedraw } from '../app';
import { t } from '../i18n';

export interface Message {
  text: string;
  /** The server's own sentence, English. */
  detail: string;
}

let message: Message | null = null;
let told = () => {};

function put(next: Message | null): void {
  message = next;
  told();
}

export function useMessage(): { message: Message | null; dismiss: () => void } {
  const redraw = useRedraw();
  useEffect(() => {
    told = redraw;
  }, []);
  return { message, dismiss: () => put(null) };
}

/** Does what the user asked for and says what went wrong in `text`. Whether it went well. */
export async function attempt(text: string, what: () => Promise<unknown>): Promise<boolean> {
  try {
    await what();
    put(null);
    return true;
  } catch (error) {
    if (error instanceof Cancelled) return false;
    if (error instanceof Refused && error.status === 0) put({ text: `${text} ${t.error.unreachable}`, detail: '' });
    else put({ text, detail: error instanceof Error ? error.message : String(error) });
    return false;
  }
}
