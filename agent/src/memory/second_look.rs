//! The second look of whoever stands before a car that may not be there.
//!
//! Who stands sees one picture over and over: a hundred frames say no more than the first, and an error of perception, or somebody
//! who changes the frames, could hold the car up for ever. Moving tells a car from a ghost. A car that stands comes nearer by all
//! that is rolled; a ghost stays as far away as the picture puts it. So whoever has stood for a while rolls on at walking pace, as far
//! as the way up to the car was free, and no farther. A car that is there is then followed up to closely, as in a queue. One that two
//! looks in a row have not met where it stood is doubted from then on: it counts only where it is close or would be hit soon.
//!
//! Whether the car ahead is told of in a decision follows from the decisions before and from odometry alone, so that no single
//! frame has a say in it, and bounds over frames need not ask.

use roadproof_sim::clock::Clock;

/// So long one stands before a car before one looks again: whoever stands behind others takes about as long to see them off, and it is
/// a tenth of the 20 s after which standing without a reason ends a drive.
const PATIENCE_S: f32 = 2.0;
/// Slower than this one stands: as slow a car is held by its brake.
const STANDING_MPS: f32 = 0.3;
/// A car ahead that stands is followed to be slower than this, which is what errors of its gap leave of its speed.
const STANDS_MPS: f32 = 0.5;
/// The pace of a second look: that of a walk, from which a car stops within half a metre by braking as gently as 2.5 m/s².
const LOOKING_MPS: f32 = 1.5;
/// Nobody rolls nearer to a car for a second look, and no car as near as this is doubted. Where tyres of the car ahead can just be seen
/// on the road is the usual rule for a queue, and that is about four metres from a driver's eye over the bonnet.
const NEAR_M: f32 = 4.0;
/// A second look takes at least this much of a way: where [`ERROR_M`] tells nothing, nothing is learned by rolling.
const LEAST_WAY_M: f32 = 3.0;
/// Gaps at such distances are perceived so well that the error of a difference of two is less than this, unless it is a large share
/// of the way between the two: perception takes slopes for distances, and errs by a share of them.
const ERROR_M: f32 = 2.0;
const ERROR_SHARE: f32 = 0.5;
/// A car that is farther away by this than it was, while one stands, is about to move off.
const STIRRED_M: f32 = 1.0;
/// For so long a ghost is remembered; at the speed limit of a town that is 400 m of road.
const DOUBT_S: f32 = 30.0;
/// A car that is doubted counts where it would be hit sooner than this; rewards count a time to collision from there on.
const SOON_S: f32 = 3.0;
/// And where it is no farther than [`NEAR_M`] and the way of this time: rewards call two metres and this time safe.
const CLOSE_S: f32 = 1.2;
/// Whoever drives as fast as this again has not been held up by what it could not meet.
const DRIVING_MPS: f32 = 3.0;

/// What is ahead, as the filter has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Ahead {
    pub(super) gap_m: f32,
    pub(super) speed_mps: f32,
}

/// How a driver stands to the car ahead.
///
/// A car that moves off while it is looked at is not met either, once. So two looks in a row have to fail before it is doubted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum SecondLook {
    /// It is believed in, and has been stood before for so many decisions, in which it was never nearer than this; the last look at
    /// it may have failed.
    Patient { decisions: u32, nearest_m: f32, failed: bool },
    /// It is looked at again: so far away it was, and so much has been rolled since.
    Looking { gap_m: f32, rolled_m: f32, failed: bool },
    /// It was not met where it stood, so many decisions ago.
    Doubting { decisions: u32 },
}

impl Default for SecondLook {
    fn default() -> Self {
        Self::patient(false)
    }
}

impl SecondLook {
    /// Whether a car ahead counts at this speed: what is ahead is taken as it is expected before the frame of this decision.
    pub(super) fn counts(self, ahead: Option<Ahead>, ego_speed_mps: f32) -> bool {
        let Some(ahead) = ahead else { return !matches!(self, Self::Doubting { .. }) };
        match self {
            Self::Patient { .. } => true,
            Self::Looking { .. } => ahead.gap_m <= NEAR_M || ego_speed_mps >= LOOKING_MPS,
            Self::Doubting { .. } => {
                let closing_mps = ego_speed_mps - ahead.speed_mps;
                ahead.gap_m <= NEAR_M + CLOSE_S * ego_speed_mps || ahead.gap_m < SOON_S * closing_mps
            }
        }
    }

    fn patient(failed: bool) -> Self {
        Self::Patient { decisions: 0, nearest_m: f32::INFINITY, failed }
    }

    /// Goes on by a decision of `dt_s` with what is ahead after its frame.
    pub(super) fn go_on(&mut self, ahead: Option<Ahead>, ego_speed_mps: f32, dt_s: f32) {
        let clock = Clock::new(1.0 / dt_s);
        *self = match (*self, ahead) {
            (Self::Doubting { decisions }, _) if decisions < clock.decisions_in(DOUBT_S) => {
                Self::Doubting { decisions: decisions + 1 }
            }
            (Self::Patient { decisions, nearest_m, failed }, Some(ahead)) if ego_speed_mps < STANDING_MPS => {
                Self::stood(ahead, decisions, nearest_m, failed, clock.decisions_in(PATIENCE_S))
            }
            (Self::Patient { failed, .. }, Some(_)) => Self::patient(failed && ego_speed_mps < DRIVING_MPS),
            (Self::Looking { gap_m, rolled_m, failed }, Some(ahead)) => {
                Self::looked(ahead, gap_m, rolled_m + ego_speed_mps * dt_s, failed)
            }
            _ => Self::default(),
        };
    }

    /// Patience with a car after another decision before it, or the end of patience.
    fn stood(ahead: Ahead, decisions: u32, nearest_m: f32, failed: bool, patience: u32) -> Self {
        if ahead.gap_m > nearest_m + STIRRED_M {
            return Self::Patient { decisions: 0, nearest_m: ahead.gap_m, failed };
        }
        let nearest_m = nearest_m.min(ahead.gap_m);
        let looks = decisions >= patience && ahead.speed_mps < STANDS_MPS && nearest_m >= NEAR_M + LEAST_WAY_M;
        if looks {
            Self::Looking { gap_m: ahead.gap_m, rolled_m: 0.0, failed }
        } else {
            Self::Patient { decisions: decisions + 1, nearest_m, failed }
        }
    }

    /// What a look has come to, at a car that was `gap_m` away when it began, after another that may have failed.
    fn looked(ahead: Ahead, gap_m: f32, rolled_m: f32, failed: bool) -> Self {
        let left_m = gap_m - rolled_m;
        let farther_m = ahead.gap_m - left_m;
        if rolled_m >= LEAST_WAY_M && farther_m > ERROR_M.max(ERROR_SHARE * rolled_m) {
            return if failed { Self::Doubting { decisions: 0 } } else { Self::patient(true) };
        }
        let (came_between, moved_off) = (farther_m < -ERROR_M, ahead.gap_m > gap_m + ERROR_M);
        if left_m <= NEAR_M || came_between || moved_off {
            return Self::default();
        }
        Self::Looking { gap_m, rolled_m, failed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DT_S: f32 = 0.1;

    fn after(mut look: SecondLook, seconds: f32, ahead: Option<Ahead>, ego_speed_mps: f32) -> SecondLook {
        let decisions = Clock::new(1.0 / DT_S).decisions_in(seconds);
        (0..decisions).for_each(|_| look.go_on(ahead, ego_speed_mps, DT_S));
        look
    }

    fn standing(gap_m: f32) -> Option<Ahead> {
        Some(Ahead { gap_m, speed_mps: 0.0 })
    }

    /// A look that began at a car ten metres ahead.
    fn looking() -> SecondLook {
        after(SecondLook::default(), PATIENCE_S + DT_S, standing(10.0), 0.0)
    }

    #[test]
    fn only_who_has_stood_for_a_while_before_a_standing_car_and_has_way_left_looks_again() {
        let looks = |seconds, ahead, ego_speed_mps| {
            matches!(after(SecondLook::default(), seconds, ahead, ego_speed_mps), SecondLook::Looking { .. })
        };
        assert!(looks(PATIENCE_S + DT_S, standing(10.0), 0.0) && looks(PATIENCE_S + DT_S, standing(7.0), 0.2));
        assert!(!looks(PATIENCE_S, standing(10.0), 0.0), "not at once");
        assert!(!looks(60.0, standing(6.9), 0.0), "not without way");
        assert!(!looks(60.0, standing(10.0), 0.4), "not on the move");
        assert!(!looks(60.0, Some(Ahead { gap_m: 10.0, speed_mps: 0.6 }), 0.0), "not behind who moves off");
        let stirred = after(after(SecondLook::default(), PATIENCE_S, standing(8.0), 0.0), 1.0, standing(9.1), 0.0);
        assert!(matches!(stirred, SecondLook::Patient { .. }), "{stirred:?}");
        assert!(!looks(60.0, None, 0.0));
    }

    #[test]
    fn a_look_is_taken_at_a_walk_and_ends_where_the_way_does() {
        let look = looking();
        assert!(
            !look.counts(standing(10.0), 1.4) && look.counts(standing(10.0), 1.5) && look.counts(standing(4.0), 0.0)
        );
        let mut met = look;
        let mut rolled_m = 0.0;
        while let SecondLook::Looking { .. } = met {
            rolled_m += 1.4 * DT_S;
            met.go_on(standing(10.0 - rolled_m), 1.4, DT_S);
        }
        assert_eq!(met, SecondLook::default(), "a car that is there");
        assert!((5.9..6.2).contains(&rolled_m), "{rolled_m}");
    }

    #[test]
    fn a_car_that_stays_as_far_away_is_doubted_and_one_that_moves_off_or_in_between_is_not() {
        let failed = after(looking(), 2.2, standing(10.0), 1.4);
        assert_eq!(failed, SecondLook::patient(true), "it may have moved off");
        let again = after(failed, PATIENCE_S + DT_S, standing(10.0), 0.0);
        let doubted = after(again, 2.3, standing(10.0), 1.4);
        assert!(matches!(doubted, SecondLook::Doubting { .. }), "{doubted:?}");
        assert_eq!(after(failed, DT_S, standing(10.0), DRIVING_MPS), SecondLook::default(), "it had");
        for (gap_m, why) in [(12.5, "it moved off"), (7.0, "another came between")] {
            assert_eq!(after(looking(), DT_S, standing(gap_m), 0.5), SecondLook::default(), "{why}");
        }
        assert_eq!(after(looking(), DT_S, None, 0.5), SecondLook::default(), "it is gone");
    }

    #[test]
    fn doubted_cars_count_where_they_would_be_hit_soon_and_doubt_ends() {
        let look = SecondLook::Doubting { decisions: 0 };
        let counts = |gap_m, speed_mps, ego_mps| look.counts(Some(Ahead { gap_m, speed_mps }), ego_mps);
        assert!(!counts(14.0, 8.0, 8.0) && !counts(12.0, 0.0, 3.0), "a ghost drives as one does oneself");
        assert!(counts(29.0, 0.0, 10.0) && counts(15.9, 10.0, 10.0) && counts(4.0, 0.0, 0.0));
        assert!(!look.counts(None, 10.0), "who comes into sight is taken in first");
        let go_on = |seconds| after(look, seconds, standing(10.0), 5.0);
        assert!(matches!(go_on(DOUBT_S), SecondLook::Doubting { .. }));
        assert_eq!(go_on(DOUBT_S + DT_S), SecondLook::default());
    }
}
