// What went wrong with a request of the user, until it is dismissed or the next one goes well.
import { useMessage } from './message-state';
import { t } from '../i18n';

export function Messages() {
  const { message, dismiss } = useMessage();
  return (
    <div role="alert" class="messages">
      {message && (
        <div class="message" data-testid="message">
          <div>
            <strong>{message.text}</strong>
            {message.detail && (
              <p lang="en" class="detail">
                {message.detail}
              </p>
            )}
          </div>
          <button type="button" class="quiet" onClick={dismiss}>
            {t.error.dismiss}
          </button>
        </div>
      )}
    </div>
  );
}
