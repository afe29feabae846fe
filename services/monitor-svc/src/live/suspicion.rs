//! How suspicious the instances are, as the judge sees it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{broadcast, watch};
use tolerancia_core::ReplicaId;
use tolerancia_core::detector::{DetectorConfig, DetectorKind};
use tolerancia_wire::live::{MonitorEvent, Suspicion};

use super::Told;

/// How often [`Levels::tell`] is called.
pub(crate) const SUSPICION_EVERY: Duration = Duration::from_millis(200);

/// Where the judge says how suspicious the instances are. It cannot be read, and nobody who reads what was written can
/// make the writer wait: who is too slow misses it.
#[derive(Debug)]
pub(crate) struct Levels {
    peaks: Peaks,
    latest: watch::Sender<Suspicion>,
    told: broadcast::Sender<Told>,
}

impl Levels {
    /// Of `replicas` instances that this detector judges.
    pub(super) fn new(
        detector: &DetectorConfig,
        replicas: u8,
        told: broadcast::Sender<Told>,
    ) -> (Self, watch::Receiver<Suspicion>) {
        let mut peaks = Peaks::new(detector, replicas.into());
        let (latest, shown) = watch::channel(peaks.take(super::now()));
        (Self { peaks, latest, told }, shown)
    }

    /// Notes the level of an instance, as a fraction of what turns it OFF.
    pub(crate) fn note(&mut self, instance: ReplicaId, fraction: f64) {
        self.peaks.note(instance, fraction);
    }

    /// Notes the level of each instance.
    pub(crate) fn note_all(&mut self, fraction: impl Fn(ReplicaId) -> f64) {
        let replicas = u8::try_from(self.peaks.fractions.len()).unwrap_or(u8::MAX);
        for instance in ReplicaId::all(replicas) {
            self.note(instance, fraction(instance));
        }
    }

    /// Tells the highest levels since this was called last. Each must have been noted since.
    pub(crate) fn tell(&mut self) {
        let suspicion = self.peaks.take(super::now());
        self.latest.send_replace(suspicion.clone());
        if self.told.receiver_count() > 0 {
            let event = MonitorEvent::Suspicion(suspicion);
            // The last listener may leave just now.
            let _ = self.told.send(Told::Event(Arc::new(event)));
        }
    }

    /// Another detector judges, and the status says so already. It has seen nothing yet.
    pub(crate) fn change(&mut self, detector: &DetectorConfig) {
        self.peaks = Peaks::new(detector, self.peaks.fractions.len());
        // Nobody may be listening.
        let _ = self.told.send(Told::Status);
    }
}

/// The highest levels since they were taken last.
#[derive(Debug)]
struct Peaks {
    kind: DetectorKind,
    /// In the detector's unit.
    threshold: f64,
    /// Of it, by instance.
    fractions: Vec<f64>,
}

impl Peaks {
    fn new(detector: &DetectorConfig, replicas: usize) -> Self {
        Self {
            kind: detector.kind,
            threshold: detector.build().limit(),
            fractions: vec![0.0; replicas],
        }
    }

    fn note(&mut self, instance: ReplicaId, fraction: f64) {
        if let Some(highest) = self.fractions.get_mut(instance.index()) {
            *highest = highest.max(fraction);
        }
    }

    fn take(&mut self, at: Timestamp) -> Suspicion {
        let taken = |fraction: &mut f64| std::mem::take(fraction) * self.threshold;
        Suspicion {
            at,
            detector: self.kind,
            threshold: self.threshold,
            levels: self.fractions.iter_mut().map(taken).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn id(number: u8) -> ReplicaId {
        ReplicaId::new(number).unwrap()
    }

    #[test]
    fn the_highest_level_since_the_last_time_is_told_in_the_unit_of_the_detector() {
        let config = DetectorConfig::default();
        for (kind, threshold) in [
            (DetectorKind::Accrual, config.accrual.threshold),
            (DetectorKind::Consecutive, f64::from(config.misses)),
            (DetectorKind::Phi, config.phi.threshold),
            (DetectorKind::Window, config.window.share),
        ] {
            let mut peaks = Peaks::new(&config.of(kind), 3);
            for fraction in [0.5, 1.0, 0.25] {
                peaks.note(id(2), fraction);
            }
            peaks.note(id(4), 1.0);
            let mut told = peaks.take(Timestamp::UNIX_EPOCH);
            assert_eq!((told.detector, told.threshold), (kind, threshold));
            assert_eq!(told.levels, [0.0, threshold, 0.0]);
            peaks.note(id(2), 0.25);
            told = peaks.take(Timestamp::UNIX_EPOCH);
            assert_eq!(told.levels, [0.0, 0.25 * threshold, 0.0]);
        }
    }
}
