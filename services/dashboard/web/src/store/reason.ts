import type { AuditEntry, InstanceStatus, Reason } from '../wire';

/**
 * Why an instance is what it is. That its quarantine is over is no reason to be OFF: what turned it OFF is, as long as
 * the history knows of it.
 */
export function reasonOf(status: InstanceStatus, failures: readonly AuditEntry[]): Reason {
  if (status.status === 'ON' || status.reason.kind !== 'quarantine_over') return status.reason;
  const turned = failures.find((one) => one.instance === status.instance && one.from !== one.to);
  return turned?.to === 'OFF' ? turned.reason : status.reason;
}
