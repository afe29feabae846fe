//! Telling the monitor's audit what was done to a replica, so that it can say how long detection and recovery took.

use tolerancia_client::inject;
use tolerancia_lab::console;
use tolerancia_wire::Stamp;
use tolerancia_wire::activation::Activation;
use tolerancia_wire::fault::ActiveFault;

use super::Target;

/// Reports faults of `instance`, as the replica calls itself. The faults are what they are whether that works or
/// not: a failure costs one line.
pub async fn tell(target: &Target, instance: &str, faults: &[ActiveFault], cleared_at: Option<Stamp>) {
    if let Err(why) = report(target, instance, faults, cleared_at).await {
        console::err(format_args!("the audit will not know how long this took: {why}"));
    }
}

async fn report(
    target: &Target,
    instance: &str,
    faults: &[ActiveFault],
    cleared_at: Option<Stamp>,
) -> Result<(), String> {
    let instance = instance.parse().unwrap_or(target.instance);
    for fault in faults {
        // A replica elsewhere is watched by a monitor elsewhere; the one of this host would take it for its own.
        if target.url.is_some() && target.monitor_url.is_none() {
            return Err("name its monitor with --monitor-url".to_owned());
        }
        let activation = Activation::new(instance, fault, cleared_at);
        inject::report(&target.monitor(), target.token(), &activation).await?;
    }
    Ok(())
}
