//! Which segments a step takes. Pure: it sees sizes and times only.
//!
//! The *weight* of a segment is what it has of the most that a segment may have, by records or by
//! bytes of bodies, whichever is more. A segment of more than half is *full*.
//!
//! - **Small** ones are merged by tiers: each tier is a quarter of the one above, the highest ends
//!   at one half. When a tier has gathered `fan_in` segments they are merged, together with what
//!   is smaller. A record goes up at least one tier each time, so it is written at most once for
//!   each: with 32,768 records a segment, once more for one of at least 4,096 records, twice for
//!   one of at least 1,024, seven times for a segment of a single record. That is the worst case.
//! - **Thinned** ones are written anew when too much of their body files is dead. With a share of
//!   one quarter at most three bytes are written for each byte given back.
//! - **Overlapping** full ones are merged by time if that at least halves the sum of their spans.
//!
//! Weights don't add up: segments may be small by records and by bytes, and their records lie so
//! that as many come out as went in. Such a step is given up before it writes anything, and its
//! segments are *settled*: they are not merged again as they are. So compaction comes to an end.
//!
//! A step takes segments with words or segments without, for what is merged has words only if all of
//! it had. Both stand in a store whose `upgrade` was cut.

use crate::id::{FileId, Micros, SegmentId};

/// What is known of a segment.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Its number.
    pub id: SegmentId,
    /// Its index file.
    pub index: FileId,
    /// Records.
    pub docs: u32,
    /// Earliest time.
    pub first: Micros,
    /// Latest time.
    pub last: Micros,
    /// Bytes of the index file.
    pub index_bytes: u64,
    /// Whether the index has words.
    pub has_words: bool,
    /// Its body files, in the order of the block table.
    pub bodies: Vec<BodyFacts>,
    /// Whether merging it was tried and would not have made fewer segments.
    pub settled: bool,
}

/// A step that is worth it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Its segments.
    pub segments: Vec<SegmentId>,
    /// Most segments that may come out; with more, nothing is gained.
    pub outputs_max: usize,
}

/// What is known of a body file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BodyFacts {
    /// Bytes of the file.
    pub bytes: u64,
    /// Of these, sealed blocks that the block table names.
    pub live: u64,
    /// Of these, sealed blocks that no table names any more.
    pub dead: u64,
}

/// What a segment may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Records.
    pub docs: u32,
    /// Bytes of sealed bodies.
    pub body_bytes: u64,
}

/// When a step is worth it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many segments of a tier are merged.
    pub fan_in: usize,
    /// A body file is written anew when one part in so many or more is dead.
    pub dead_part: u64,
    /// Whether tiers count, or all that is small is merged with what it finds.
    pub tiered: bool,
}

/// A segment that is full, in weight.
pub const FULL: u64 = 1 << 32;
/// Most that a step reads, in full segments. What a step holds in memory follows it: about 100
/// bytes a record, and the bodies of one output.
pub const STEP_WEIGHT_MAX: u64 = 2 * FULL;
/// Segments in one step at most, so that few files are open and a step stays short.
pub const STEP_SEGMENTS_MAX: usize = 512;
/// Full segments in a step that lays them one behind the other.
const OVERLAP_MAX: usize = 4;

impl Policy {
    /// What the store does of its own accord.
    pub const BACKGROUND: Self = Self { fan_in: 4, dead_part: 4, tiered: true };
    /// What somebody asks for who waits for it.
    pub const THOROUGH: Self = Self { fan_in: 2, dead_part: 32, tiered: false };

    /// The segments of the next step; `None` if nothing is due.
    pub fn choose(&self, all: &[Facts], limits: &Limits) -> Option<Step> {
        let (with, without): (Vec<Facts>, Vec<Facts>) = all.iter().cloned().partition(|f| f.has_words);
        self.choose_of_one_sort(&with, limits).or_else(|| self.choose_of_one_sort(&without, limits))
    }

    fn choose_of_one_sort(&self, all: &[Facts], limits: &Limits) -> Option<Step> {
        // Fewer segments, or as many that overlap less: so it comes to an end.
        let of = |segments: Vec<SegmentId>, fewer| Step { outputs_max: segments.len() - fewer, segments };
        let small = self.small(all, limits).map(|segments| of(segments, 1));
        small
            .or_else(|| self.thinned(all).map(|segments| Step { segments, outputs_max: usize::MAX }))
            .or_else(|| self.overlapping(all, limits).map(|segments| of(segments, 0)))
    }

    fn small(&self, all: &[Facts], limits: &Limits) -> Option<Vec<SegmentId>> {
        let weighed = all.iter().filter(|f| !f.settled).map(|f| (f, limits.weight(f)));
        let mut small: Vec<(&Facts, u64)> = weighed.filter(|(_, w)| *w <= FULL / 2).collect();
        small.sort_by_key(|(f, _)| (f.first, f.id));
        let tiers: Vec<u32> = if self.tiered { (0..=16).rev().collect() } else { vec![0] };
        for tier in tiers {
            let in_tier = small.iter().filter(|(_, w)| !self.tiered || tier_of(*w) == tier).count();
            if in_tier < self.fan_in {
                continue;
            }
            let (mut chosen, mut weight) = (Vec::new(), 0);
            for (facts, w) in small.iter().filter(|(_, w)| !self.tiered || tier_of(*w) >= tier) {
                if weight + w > STEP_WEIGHT_MAX || chosen.len() == STEP_SEGMENTS_MAX {
                    break;
                }
                weight += w;
                chosen.push(facts.id);
            }
            if chosen.len() >= 2 {
                return Some(chosen);
            }
        }
        None
    }

    fn thinned(&self, all: &[Facts]) -> Option<Vec<SegmentId>> {
        let worst = all.iter().filter(|f| f.bodies.iter().any(|b| self.is_thin(b)));
        worst.max_by_key(|f| (f.dead(), f.id)).map(|f| vec![f.id])
    }

    /// Whether a body file is worth writing anew.
    pub fn is_thin(&self, body: &BodyFacts) -> bool {
        body.dead > 0 && body.dead * self.dead_part >= body.live + body.dead
    }

    fn overlapping(&self, all: &[Facts], limits: &Limits) -> Option<Vec<SegmentId>> {
        let is_full = |f: &&Facts| !f.settled && limits.weight(f) > FULL / 2;
        let mut full: Vec<&Facts> = all.iter().filter(is_full).collect();
        full.sort_by_key(|f| (f.first, f.last, f.id));
        let mut best: Option<(u64, Vec<SegmentId>)> = None;
        for (i, start) in full.iter().enumerate() {
            // The set grows by whatever begins next while it still overlaps.
            let (mut sum, mut end) = (span(start.first, start.last), start.last);
            let mut set = vec![start.id];
            for next in full.iter().skip(i + 1).take_while(|f| f.first <= start.last).take(OVERLAP_MAX - 1) {
                sum += span(next.first, next.last);
                end = end.max(next.last);
                set.push(next.id);
                let union = span(start.first, end);
                // What was laid one behind the other is at most as long as its union: it ends.
                if sum > union
                    && sum >= 2 * union
                    && best.as_ref().is_none_or(|(saved, _)| sum - union > *saved)
                {
                    best = Some((sum - union, set.clone()));
                }
            }
        }
        best.map(|(_, set)| set)
    }
}

impl Facts {
    /// Bytes of sealed blocks that no table names.
    pub fn dead(&self) -> u64 {
        self.bodies.iter().map(|b| b.dead).sum()
    }
}

impl Limits {
    /// Limits of the segments that a roll makes.
    pub fn new(docs: u32, body_bytes: u64) -> Self {
        Self { docs: docs.max(1), body_bytes: body_bytes.max(1) }
    }

    /// What a segment has of the most it may have, as parts of [`FULL`].
    pub fn weight(&self, facts: &Facts) -> u64 {
        let live = facts.bodies.iter().map(|b| b.live).sum();
        self.weigh(u64::from(facts.docs), live)
    }

    /// The same for so many records and bytes of bodies.
    pub fn weigh(&self, docs: u64, body_bytes: u64) -> u64 {
        let part = |n: u64, of: u64| {
            u64::try_from(u128::from(n) * u128::from(FULL) / u128::from(of)).unwrap_or(u64::MAX / 4)
        };
        part(docs, u64::from(self.docs)).max(part(body_bytes, self.body_bytes)).max(1)
    }
}

/// 0 for more than an eighth, 1 for more than a 32nd, and so on.
fn tier_of(weight: u64) -> u32 {
    let mut tier = 0;
    let mut least = FULL / 8;
    while weight <= least && tier < 16 {
        tier += 1;
        least /= 4;
    }
    tier
}

/// Nothing for segments of one moment: no order of theirs is better than another.
fn span(first: Micros, last: Micros) -> u64 {
    last.0.abs_diff(first.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { docs: 64, body_bytes: 1 << 20 };

    fn segment(id: u64, docs: u32, first: i64, last: i64) -> Facts {
        let bodies = vec![BodyFacts { bytes: 1000, live: 1000, dead: 0 }];
        Facts {
            id: SegmentId(id),
            index: FileId::default(),
            docs,
            first: Micros(first),
            last: Micros(last),
            index_bytes: 4096,
            has_words: true,
            bodies,
            settled: false,
        }
    }

    fn ids(chosen: Option<Step>) -> Vec<u64> {
        chosen.into_iter().flat_map(|step| step.segments).map(|id| id.0).collect()
    }

    #[test]
    fn nothing_is_due_in_a_tidy_store() {
        let all: Vec<_> = (0..10).map(|i| segment(i, 64, i as i64 * 100, i as i64 * 100 + 99)).collect();
        assert!(Policy::BACKGROUND.choose(&all, &LIMITS).is_none());
        assert!(Policy::THOROUGH.choose(&all, &LIMITS).is_none());
        assert!(Policy::THOROUGH.choose(&[segment(0, 1, 0, 1)], &LIMITS).is_none());
        assert!(Policy::THOROUGH.choose(&[], &LIMITS).is_none());
    }

    /// Full segments of one moment were merged again and again, for their outputs were of it too.
    #[test]
    fn segments_of_one_moment_stay() {
        let all: Vec<_> = (0..4).map(|i| segment(i, 64, 7, 7)).collect();
        assert!(Policy::THOROUGH.choose(&all, &LIMITS).is_none());
        let laid_out = [segment(0, 64, 0, 0), segment(1, 64, 0, 1), segment(2, 64, 1, 1)];
        assert!(Policy::THOROUGH.choose(&laid_out, &LIMITS).is_none());
    }

    #[test]
    fn a_tier_waits_for_its_fourth() {
        let mut all: Vec<_> = (0..3).map(|i| segment(i, 10, i as i64, i as i64)).collect();
        all.push(segment(3, 1, 0, 0));
        assert!(Policy::BACKGROUND.choose(&all, &LIMITS).is_none());
        all.push(segment(4, 9, 9, 9));
        // What is smaller comes along.
        assert_eq!(ids(Policy::BACKGROUND.choose(&all, &LIMITS)), [0, 3, 1, 2, 4]);
    }

    #[test]
    fn a_step_is_bounded() {
        let all: Vec<_> = (0..2000).map(|i| segment(i, 1, 0, 0)).collect();
        assert_eq!(ids(Policy::THOROUGH.choose(&all, &LIMITS)).len(), 128);
        let wide = Limits { docs: 1 << 20, body_bytes: 1 << 40 };
        assert_eq!(ids(Policy::THOROUGH.choose(&all, &wide)).len(), STEP_SEGMENTS_MAX);
    }

    /// Whatever comes, a record is written again at most once a tier.
    #[test]
    fn rewrites_are_logarithmic() {
        let limits = Limits { docs: 65_536, body_bytes: 1 << 40 };
        for docs in [1u32, 300, 3_000, 9_000] {
            let mut all: Vec<(Facts, u64)> = Vec::new();
            let (mut written, mut records) = (0u64, 0u64);
            for i in 0..4_000u64 {
                all.push((segment(i, docs, i as i64, i as i64), 0));
                records += u64::from(docs);
                loop {
                    let facts: Vec<_> = all.iter().map(|(f, _)| f.clone()).collect();
                    let Some(chosen) = Policy::BACKGROUND.choose(&facts, &limits) else { break };
                    let (inputs, rest): (Vec<_>, Vec<_>) =
                        all.into_iter().partition(|(f, _)| chosen.segments.contains(&f.id));
                    all = rest;
                    let sum: u64 = inputs.iter().map(|(f, _)| u64::from(f.docs)).sum();
                    let times = inputs.iter().map(|(_, n)| n + 1).max().unwrap_or(0);
                    written += sum;
                    let outputs = sum.div_ceil(65_536);
                    assert!(outputs <= chosen.outputs_max as u64);
                    for n in 0..outputs {
                        let first = inputs[0].0.first.0 + n as i64;
                        let id = 1_000_000 + all.len() as u64 + i * 1_000 + n;
                        all.push((segment(id, (sum / outputs) as u32, first, first), times));
                    }
                }
            }
            let bound = match docs {
                1 => 8,
                300 => 4,
                3_000 => 2,
                _ => 1,
            };
            assert!(all.iter().all(|(_, times)| *times <= bound), "{docs}");
            assert!(written <= bound * records, "{docs}: {written} of {records}");
        }
    }

    /// What comes out has words only if all that went in had: words would be lost without a word.
    #[test]
    fn segments_with_words_and_without_are_not_merged() {
        let mut all: Vec<_> = (0..6).map(|i| segment(i, 10, 0, 1000)).collect();
        all.iter_mut().skip(1).step_by(2).for_each(|f| f.has_words = false);
        assert_eq!(ids(Policy::THOROUGH.choose(&all, &LIMITS)), [0, 2, 4]);
        assert_eq!(ids(Policy::THOROUGH.choose(&all[3..], &LIMITS)), [3, 5]);
        assert!(Policy::THOROUGH.choose(&all[..2], &LIMITS).is_none());
        assert!(Policy::BACKGROUND.choose(&all, &LIMITS).is_none());
    }

    #[test]
    fn dead_bytes_are_given_back() {
        let mut thin = segment(1, 64, 0, 9);
        thin.bodies.push(BodyFacts { bytes: 1000, live: 800, dead: 200 });
        let all = [segment(0, 64, 10, 19), thin.clone()];
        assert!(Policy::BACKGROUND.choose(&all, &LIMITS).is_none());
        assert_eq!(ids(Policy::THOROUGH.choose(&all, &LIMITS)), [1]);
        thin.bodies.push(BodyFacts { bytes: 1000, live: 750, dead: 250 });
        assert_eq!(ids(Policy::BACKGROUND.choose(&[thin], &LIMITS)), [1]);
    }

    #[test]
    fn full_segments_are_laid_one_behind_the_other() {
        let over: Vec<_> = (0..4).map(|i| segment(i, 60, 0, 1000)).collect();
        assert_eq!(ids(Policy::BACKGROUND.choose(&over, &LIMITS)), [0, 1, 2, 3]);
        // One record out of time is no reason to write two segments.
        let all = [segment(0, 60, 0, 1000), segment(1, 60, 990, 2000)];
        assert!(Policy::BACKGROUND.choose(&all, &LIMITS).is_none());
    }
}
