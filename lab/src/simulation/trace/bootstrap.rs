//! Years of health out of hours: a moving picture is cut into blocks, and the blocks are drawn anew.
//!
//! Künsch, "The Jackknife and the Bootstrap for General Stationary Observations" (Annals of Statistics 17, 1989):
//! misses come in bursts and hit several instances at a time, so what is drawn with replacement is not answers but
//! blocks of [`BLOCK_NS`] with all instances in them. The blocks overlap: one begins every [`STEP_NS`], and one ends
//! with each stretch of health, so that nothing of it is left out. A stretch that is shorter than a block is.
//!
//! It is made fast without changing what is counted. A block without any miss is nothing but good answers. Any other
//! block is played to a new panel once: how many alarms it gives, and whether suspicion is left at its end. A
//! detector without suspicion is as good as new, so only a block that leaves some has to be played together with
//! those that are drawn after it, until none is left. What is skipped is handed over as good answers.
//!
//! Where two blocks meet, the rhythm of the checks breaks, which a detector of silence would hold against everybody:
//! for `phi` a check is answered at each seam.
//!
//! A bootstrap cannot show what the trace has not seen: see [`Replay::per_year_upper95`](super::Replay).

use serde::Serialize;
use tolerancia_core::ReplicaId;
use tolerancia_core::detector::{DetectorKind, Seen};
use tolerancia_core::panel::PanelConfig;

use super::replay::{Player, YEAR_S, within};
use super::{Entry, Evidence, Span, Trace};
use crate::simulation::count::Alarms;
use crate::simulation::dice::{Dice, Purpose};

/// The length of a block (5 s): longer than any burst of misses that one cause makes.
const BLOCK_NS: u64 = 5_000_000_000;
/// Between the starts of two blocks (1 s).
const STEP_NS: u64 = 1_000_000_000;
/// How often the good answers of a second are handed over.
const SLICE_NS: u64 = 200_000_000;
const RUN_UP_SLICES: u64 = 5;
/// For how long a late answer is remembered, so that those of other instances share its weight.
const MEMORY_NS: u64 = 300_000_000;
/// Blocks that are played together at most; then it is enough of them.
const MOST_PLAYED: u64 = 100_000;

/// How often a detector would turn a healthy instance OFF.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Bootstrap {
    pub detector: &'static str,
    /// Different blocks to draw from, and how many of them have a miss.
    pub blocks: usize,
    pub blocks_with_misses: usize,
    /// In how many of them the monitor itself stood still.
    pub blocks_with_stalls: usize,
    /// What was drawn, all instances together.
    pub instance_years: f64,
    pub false_alarms: u64,
    /// Per instance-year.
    pub per_year: f64,
    /// With 95 % confidence the resampled trace gives not more.
    pub per_year_upper95: f64,
}

/// One block.
struct Block<'a> {
    entries: &'a [Entry],
    from_ns: u64,
    /// When the monitor stood still, since the block's beginning. Where the host stalls, misses are likely: such
    /// blocks are what false alarms come from.
    stalls: Vec<Span>,
    /// Nothing but good answers, and the monitor looked all the time.
    clean: bool,
    /// Good answers to votes, of all instances.
    good: u64,
}

/// What a block does to a panel without suspicion.
#[derive(Clone, Copy)]
struct Effect {
    block: usize,
    alarms: u64,
    /// Whether suspicion is left at its end.
    open: bool,
}

/// Draws blocks of the healthy `spans` until `years` instance-years are full. None: no span holds a whole block.
pub(crate) fn bootstrap(
    trace: &Trace,
    spans: &[Span],
    config: PanelConfig,
    years: f64,
    seed: u64,
) -> Option<Bootstrap> {
    let blocks = cut(trace, spans);
    if blocks.is_empty() {
        return None;
    }
    let replicas = config.replicas;
    let theatre = Theatre {
        good: per_slice(&blocks, replicas),
        blocks: &blocks,
        config,
    };
    let dirty = (0..blocks.len()).filter(|&block| !blocks[block].clean);
    let effects: Vec<Effect> = dirty
        .map(|block| theatre.effect(block))
        .filter(|effect| effect.alarms > 0 || effect.open)
        .collect();
    let block_s = BLOCK_NS as f64 / 1e9;
    let wanted = (years * YEAR_S / (block_s * f64::from(replicas))).ceil().max(1.0) as u64;
    let (drawn, false_alarms) = theatre.draw(&effects, wanted, &mut Dice::new(seed, Purpose::Resample));
    let alarms = Alarms {
        events: false_alarms,
        time: drawn as f64 * block_s * f64::from(replicas) / YEAR_S,
    };
    Some(Bootstrap {
        detector: config.detector.kind.name(),
        blocks: blocks.len(),
        blocks_with_misses: blocks.iter().filter(|block| has_misses(block.entries)).count(),
        blocks_with_stalls: blocks.iter().filter(|block| !block.stalls.is_empty()).count(),
        instance_years: alarms.time,
        false_alarms,
        per_year: alarms.rate(),
        per_year_upper95: alarms.upper95(),
    })
}

fn cut<'a>(trace: &'a Trace, spans: &[Span]) -> Vec<Block<'a>> {
    let mut blocks = Vec::new();
    for span in spans {
        let Some(last_ns) = span
            .to_ns
            .checked_sub(BLOCK_NS)
            .filter(|last_ns| *last_ns >= span.from_ns)
        else {
            continue;
        };
        let steps = (0..(last_ns - span.from_ns).div_ceil(STEP_NS)).map(|nth| span.from_ns + nth * STEP_NS);
        for from_ns in steps.chain([last_ns]) {
            let to_ns = from_ns + BLOCK_NS;
            let entries = within(&trace.entries, Span { from_ns, to_ns });
            let stood = trace.stalls.iter();
            let stood = stood.filter(|stall| stall.from_ns < to_ns && stall.to_ns > from_ns);
            let stalls: Vec<Span> = stood
                .map(|stall| Span {
                    from_ns: stall.from_ns.max(from_ns) - from_ns,
                    to_ns: stall.to_ns.min(to_ns) - from_ns,
                })
                .collect();
            if entries.is_empty() && stalls.is_empty() {
                continue;
            }
            let good = entries.iter().map(|entry| match entry.evidence {
                Evidence::Report { good, .. } => u64::from(good),
                Evidence::Check { .. } => 0,
            });
            blocks.push(Block {
                entries,
                from_ns,
                clean: stalls.is_empty() && !has_misses(entries),
                stalls,
                good: good.sum(),
            });
        }
    }
    blocks
}

fn has_misses(entries: &[Entry]) -> bool {
    entries.iter().any(|entry| entry.evidence.is_bad())
}

/// Good answers to votes per instance and slice of time.
fn per_slice(blocks: &[Block<'_>], replicas: u8) -> u32 {
    let good: u64 = blocks.iter().map(|block| block.good).sum();
    let slices = blocks.len() as u64 * u64::from(replicas) * (BLOCK_NS / SLICE_NS);
    u32::try_from(good.div_ceil(slices.max(1))).unwrap_or(u32::MAX)
}

struct Theatre<'a> {
    blocks: &'a [Block<'a>],
    config: PanelConfig,
    good: u32,
}

impl Theatre<'_> {
    /// A panel that has seen a second of health, and when the first block begins.
    fn opened(&self) -> (Player, u64) {
        let mut player = Player::new(self.config, 0);
        let mut now_ns = 0;
        for _ in 0..RUN_UP_SLICES {
            now_ns += SLICE_NS;
            self.slice(&mut player, now_ns);
        }
        (player, now_ns)
    }

    /// A slice of health: a check of each instance, and its votes.
    fn slice(&self, player: &mut Player, now_ns: u64) {
        player.advance(now_ns, &[]);
        for instance in ReplicaId::all(self.config.replicas) {
            player.good(now_ns, instance, self.good);
        }
        self.checks(player, now_ns);
    }

    /// A good check of each instance.
    fn checks(&self, player: &mut Player, at_ns: u64) {
        for instance in ReplicaId::all(self.config.replicas) {
            let evidence = Evidence::Check {
                seen: Seen::Good,
                took_us: None,
            };
            player.take(Entry {
                at_ns,
                instance,
                evidence,
            });
        }
    }

    /// Such a detector counts nothing else, and is never quite without suspicion.
    fn hears_silence(&self) -> bool {
        self.config.detector.kind == DetectorKind::Phi
    }

    /// Plays a block that begins at `from_ns`.
    fn play(&self, player: &mut Player, block: usize, from_ns: u64) {
        let block = &self.blocks[block];
        if self.hears_silence() {
            self.checks(player, from_ns);
        }
        if block.clean {
            for nth in 1..=BLOCK_NS / SLICE_NS {
                self.slice(player, from_ns + nth * SLICE_NS);
            }
            return;
        }
        let shift = |stall: &Span| Span {
            from_ns: from_ns + stall.from_ns,
            to_ns: from_ns + stall.to_ns,
        };
        let stalls: Vec<Span> = block.stalls.iter().map(shift).collect();
        for entry in block.entries {
            let at_ns = from_ns + (entry.at_ns - block.from_ns);
            player.advance(at_ns, &stalls);
            player.take(Entry { at_ns, ..*entry });
        }
        player.advance(from_ns + BLOCK_NS, &stalls);
    }

    /// Whether the block that was just played leaves suspicion, or somebody OFF.
    fn is_open(&self, player: &Player, block: usize) -> bool {
        let &Block { entries, from_ns, .. } = &self.blocks[block];
        let fresh = |entry: &&Entry| entry.at_ns >= from_ns + (BLOCK_NS - MEMORY_NS);
        let late = |entry: &Entry| match entry.evidence {
            Evidence::Check { seen, .. } => matches!(seen, Seen::Late | Seen::Unreachable),
            Evidence::Report { late, .. } => late > 0,
        };
        let suspected = |id| !self.hears_silence() && player.panel.level(id) > 0.0;
        entries.iter().rev().take_while(fresh).any(late)
            || player.panel.on() < usize::from(self.config.replicas)
            || ReplicaId::all(self.config.replicas).any(suspected)
    }

    fn effect(&self, block: usize) -> Effect {
        let (mut player, from_ns) = self.opened();
        self.play(&mut player, block, from_ns);
        Effect {
            block,
            alarms: player.alarms,
            open: self.is_open(&player, block),
        }
    }

    /// Draws `wanted` blocks, unless too many of them have to be played; says how many were drawn, and the alarms.
    fn draw(&self, effects: &[Effect], wanted: u64, dice: &mut Dice) -> (u64, u64) {
        let share = effects.len() as f64 / self.blocks.len() as f64;
        let (mut drawn, mut alarms, mut played) = (0_u64, 0, 0);
        while drawn < wanted && played < MOST_PLAYED {
            // Blocks without effect are passed over in one step.
            let skipped = dice.failures_before(share);
            if skipped >= wanted - drawn {
                return (wanted, alarms);
            }
            drawn += skipped + 1;
            let effect = effects[dice.index(effects.len())];
            if !effect.open {
                alarms += effect.alarms;
                continue;
            }
            let mut next = dice.index(self.blocks.len());
            drawn += 1;
            if self.blocks[next].clean {
                alarms += effect.alarms;
                continue;
            }
            let (mut player, mut from_ns) = self.opened();
            self.play(&mut player, effect.block, from_ns);
            loop {
                from_ns += BLOCK_NS;
                self.play(&mut player, next, from_ns);
                played += 1;
                if self.blocks[next].clean || !self.is_open(&player, next) {
                    break;
                }
                next = dice.index(self.blocks.len());
                drawn += 1;
            }
            alarms += player.alarms;
        }
        (drawn, alarms)
    }
}

#[cfg(test)]
mod tests;
