// How suspicious each instance is, against the level that turns it OFF.
import { dataNow, store } from '../app';
import { Chart } from '../charts/chart';
import { instanceLook } from '../charts/theme';
import { format, t } from '../i18n';
import { useSlices } from '../schedule';
import { levels, MOST_SHARE } from '../store/series';

export function SuspicionChart() {
  useSlices('system');
  const count = store.system?.replicas ?? 3;
  const lines = Array.from({ length: count }, (_, n) => ({
    label: t.glance.instance(String(n + 1)),
    look: instanceLook(String(n + 1)),
    tell: (share: number) => format.percent(Math.round(share * 100) / 100),
  }));
  const detector = store.suspicion.last()?.detector ?? store.status?.detector ?? '';
  return (
    <div class="with-title">
      <h3>
        {t.suspicion.title} <small>{t.suspicion.window}</small>
      </h3>
      <Chart
        testid="suspicion-chart"
        name={`${t.suspicion.title}, ${t.suspicion.about(detector)}`}
        slices={['suspicion', 'faults', 'connection', 'sources', 'clock']}
        lines={lines}
        height={162}
        data={() => levels(store.suspicion.toArray(), count, dataNow('suspicion'))}
        end={() => dataNow('suspicion') / 1_000}
        span={60}
        yRange={(_min, max) => [0, Math.min(Math.max(1.2, (max || 0) * 1.25), MOST_SHARE * 1.2)]}
        yText={(value) => format.percent(value)}
        rule={{ at: 1, label: t.suspicion.threshold }}
      />
    </div>
  );
}
