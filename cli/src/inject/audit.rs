//! Telling the monitor's audit what was done to a replica, so that it can say how long detection and recovery took.

use tolerancia_lab::{console, inject};
use tolerancia_wire::Stamp;
use tolerancia_wire::activation::Activation;
use tolerancia_wire::fault::ActiveFault;

use super::Target;

/// Reports a fault of `instance`, as the replica calls itself, if there was one. The fault is what it is whether
/// that works or not: a failure costs one line.
pub async fn tell(target: &Target, instance: &str, active: Option<&ActiveFault>, cleared_at: Option<Stamp>) {
    let Some(active) = active else { return };
    let activation = Activation::new(instance.parse().unwrap_or(target.instance), active, cleared_at);
    // A replica elsewhere is watched by a monitor elsewhere; the one of this host would take it for its own.
    let told = if target.url.is_some() && target.monitor_url.is_none() {
        Err("name its monitor with --monitor-url".to_owned())
    } else {
        inject::report(&target.monitor(), target.token(), &activation).await
    };
    if let Err(why) = told {
        console::err(format_args!("the audit will not know how long this took: {why}"));
    }
}
