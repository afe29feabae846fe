// The question for the fault token.
import { useEffect, useRef, useState } from 'preact/hooks';
import { Cancelled, onAsk } from '../api';
import { t } from '../i18n';

interface Question {
  wrong: boolean;
  answer: (token: string) => void;
  cancel: (why: Cancelled) => void;
}

export function TokenDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const input = useRef<HTMLInputElement>(null);
  const [question, setQuestion] = useState<Question | null>(null);

  useEffect(() => {
    onAsk((wrong) => new Promise((answer, cancel) => setQuestion({ wrong, answer, cancel })));
  }, []);
  useEffect(() => {
    if (question) {
      // showModal keeps the focus inside and gives it back afterwards.
      if (!dialog.current?.open) dialog.current?.showModal();
      if (input.current) input.current.value = '';
      input.current?.focus();
    } else {
      dialog.current?.close();
    }
  }, [question]);

  const submit = (event: Event) => {
    event.preventDefault();
    const token = input.current?.value.trim() ?? '';
    if (!question || token === '') return;
    setQuestion(null);
    question.answer(token);
  };
  const cancel = () => {
    question?.cancel(new Cancelled());
    setQuestion(null);
  };

  return (
    <dialog ref={dialog} data-testid="token-dialog" aria-labelledby="token-title" onCancel={cancel}>
      <form onSubmit={submit}>
        <h2 id="token-title">{t.token.title}</h2>
        <p id="token-text">{t.token.text}</p>
        <label>
          {t.token.label}
          <input
            ref={input}
            type="password"
            data-testid="token-input"
            autoComplete="off"
            required
            aria-describedby="token-text token-wrong"
            aria-invalid={question?.wrong ?? false}
          />
        </label>
        <p id="token-wrong" class="bad" role="alert">
          {question?.wrong ? t.token.wrong : ''}
        </p>
        <div class="row end">
          <button type="button" onClick={cancel}>
            {t.token.cancel}
          </button>
          <button type="submit" class="primary" data-testid="token-ok">
            {t.token.ok}
          </button>
        </div>
      </form>
    </dialog>
  );
}
