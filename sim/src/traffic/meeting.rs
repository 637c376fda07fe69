//! Cars that meet each other, the ego aside: where their bodies first touch they have crashed.
//!
//! A crash is the simplest there is: both cars stop where they touch, have one speed from then on, that of their common momentum
//! along the road, and slide to a stand with locked wheels. Their scripts are over. So no car is ever inside another.
//!
//! Bodies are boxes along the road here, as they are in lanes; that a car turns a little in a lane change is left out.

use super::car::Car;

/// Bodies that overlap by less touch, and do not meet anew in each step.
const SKIN_M: f32 = 0.01;

/// The box, along and across the road, that a car's body passes over in a physics step.
#[derive(Clone, Copy, Debug)]
struct Passed {
    car: usize,
    along_m: (f32, f32),
    across_m: (f32, f32),
}

impl Passed {
    fn by(number: usize, cars: &[Car]) -> Self {
        let car = &cars[number];
        let passed = |before_m: f32, after_m: f32, size_m: f32| {
            (before_m.min(after_m) - 0.5 * size_m, before_m.max(after_m) + 0.5 * size_m)
        };
        Self {
            car: number,
            along_m: passed(car.step_start.s_m, car.s_m, car.length_m),
            across_m: passed(car.step_start.d_m, car.d_m, car.width_m),
        }
    }
}

/// Cars by where the way begins that they pass over in a step. They hardly change places from one step to the next, so that sorting
/// them costs little, and only those whose ways cross are looked at twice: of many cars each meets few.
#[derive(Clone, Debug, Default)]
pub(super) struct AlongTheRoad {
    passed: Vec<Passed>,
}

impl AlongTheRoad {
    /// Pairs of cars that may have met in this step, by the later and then the earlier in the file.
    fn crossing(&mut self, cars: &[Car]) -> Vec<(usize, usize)> {
        if self.passed.len() != cars.len() {
            self.passed = (0..cars.len()).map(|number| Passed::by(number, cars)).collect();
        }
        self.passed.iter_mut().for_each(|passed| *passed = Passed::by(passed.car, cars));
        self.passed.sort_unstable_by(|a, b| a.along_m.0.total_cmp(&b.along_m.0));
        let mut pairs = Vec::new();
        for (place, a) in self.passed.iter().enumerate() {
            let beside = self.passed[place + 1..].iter().take_while(|b| b.along_m.0 <= a.along_m.1);
            let crossing = beside.filter(|b| a.across_m.0 <= b.across_m.1 && b.across_m.0 <= a.across_m.1);
            pairs.extend(crossing.map(|b| (a.car.max(b.car), a.car.min(b.car))));
        }
        pairs.sort_unstable();
        pairs
    }
}

/// Sets back those who met in this physics step to where they touched.
pub(super) fn keep_apart(cars: &mut [Car], along_the_road: &mut AlongTheRoad) {
    let pairs = along_the_road.crossing(cars);
    if pairs.is_empty() {
        return;
    }
    // Setting one back may bring it in the way of the next, but leaves it on the way that it passed over. Each round sets somebody
    // further back, at most to where the step began, and there nobody overlaps.
    for _ in 0..=2 * cars.len() {
        let mut met = false;
        for &(second, first) in &pairs {
            let (before, from_second) = cars.split_at_mut(second);
            met |= meet(&mut before[first], &mut from_second[0]);
        }
        if !met {
            return;
        }
    }
}

/// Whether two cars met in this physics step; if so, they have crashed.
fn meet(a: &mut Car, b: &mut Car) -> bool {
    if a.hit || b.hit {
        return false;
    }
    let (length_m, width_m) = (0.5 * (a.length_m + b.length_m), 0.5 * (a.width_m + b.width_m));
    let along_m = (b.step_start.s_m - a.step_start.s_m, b.s_m - a.s_m);
    let across_m = (b.step_start.d_m - a.step_start.d_m, b.d_m - a.d_m);
    let Some(touched) = first_overlap(along_m, across_m, length_m - SKIN_M, width_m - SKIN_M) else { return false };
    let share = if a.step_start.set_back || b.step_start.set_back {
        0.0
    } else {
        first_overlap(along_m, across_m, length_m, width_m).unwrap_or(touched)
    };
    let momentum = a.mass_kg() * a.along_mps() + b.mass_kg() * b.along_mps();
    let along_mps = momentum / (a.mass_kg() + b.mass_kg());
    for car in [a, b] {
        car.s_m = car.step_start.s_m + (car.s_m - car.step_start.s_m) * share;
        car.d_m = car.step_start.d_m + (car.d_m - car.step_start.d_m) * share;
        car.step_start.set_back = true;
        car.crash(along_mps);
    }
    true
}

/// The share of a step after which two boxes overlap, if they do: distances of their middles before and after it, and half the
/// sums of their sizes.
fn first_overlap(along_m: (f32, f32), across_m: (f32, f32), length_m: f32, width_m: f32) -> Option<f32> {
    let (along_from, along_to) = overlap(along_m, length_m)?;
    let (across_from, across_to) = overlap(across_m, width_m)?;
    let from = along_from.max(across_from);
    (from < along_to.min(across_to)).then_some(from)
}

/// The part of a step, from 0 to 1, in which a distance that goes evenly from one value to another is within a bound.
fn overlap((before_m, after_m): (f32, f32), within_m: f32) -> Option<(f32, f32)> {
    let by_m = after_m - before_m;
    if by_m == 0.0 {
        return (before_m.abs() < within_m).then_some((0.0, f32::INFINITY));
    }
    let ends = [-within_m, within_m].map(|end_m| (end_m - before_m) / by_m);
    let (from, to) = (ends[0].min(ends[1]).max(0.0), ends[0].max(ends[1]));
    (from < to && from < 1.0).then_some((from, to))
}

#[cfg(test)]
mod tests {
    use super::super::car::StepStart;
    use super::super::tests::{drive_and_look, overlap, world};
    use super::*;

    #[test]
    fn the_share_of_a_step_until_two_boxes_overlap() {
        assert_eq!(first_overlap((10.0, 2.0), (0.0, 0.0), 4.0, 2.0), Some(0.75));
        assert_eq!(first_overlap((10.0, -10.0), (1.0, 1.0), 4.0, 2.0), Some(0.3), "through each other");
        assert_eq!(first_overlap((10.0, -10.0), (2.5, 2.5), 4.0, 2.0), None, "past each other");
        assert_eq!(first_overlap((1.0, 1.0), (3.0, 1.0), 4.0, 2.0), Some(0.5), "from the side");
        assert_eq!(first_overlap((10.0, 5.0), (0.0, 0.0), 4.0, 2.0), None, "not yet");
        assert_eq!(first_overlap((8.0, 0.0), (0.0, 8.0), 4.0, 2.0), None, "one across before the other is there");
    }

    /// Speeds at the crash of two cars and how they stand in the end.
    fn crash(first: &str, second: &str, decision_hz: f32) -> (Vec<f32>, [f32; 2]) {
        let mut world = world(&format!("(name: \"a\", {first}), (name: \"b\", {second})"));
        let order = world.1.cars[1].s_m > world.1.cars[0].s_m;
        let mut speeds_mps = Vec::new();
        drive_and_look(&mut world, decision_hz, 0..(20.0 * decision_hz) as u32, |decision, cars| {
            assert!(!overlap(&cars[0], &cars[1]), "decision {decision}");
            assert_eq!(cars[1].s_m > cars[0].s_m, order, "decision {decision}: driven through");
            if cars[0].crashed && speeds_mps.is_empty() {
                speeds_mps = cars.iter().map(Car::along_mps).collect();
            }
        });
        let [a, b] = &world.1.cars[..] else { panic!("two cars") };
        assert!(a.crashed && b.crashed && a.speed_mps == 0.0 && b.speed_mps == 0.0, "{a:?} {b:?}");
        (speeds_mps, [a.s_m, b.s_m])
    }

    #[test]
    fn cars_that_meet_stop_where_they_touch() {
        for decision_hz in [1.0, 5.0, 10.0] {
            let fast = "start: (lane: 0, s_m: 50.0, speed_mps: 30.0)";
            let (speeds_mps, [a, b]) = crash(fast, "start: (lane: 0, s_m: 80.0, speed_mps: 0.0)", decision_hz);
            assert_eq!(speeds_mps[0], speeds_mps[1], "one speed, pushed on");
            assert!(b > 80.0 && (b - a - 4.4).abs() < 0.05, "they stand at {a} m and {b} m");
            let oncoming = "start: (lane: -1, s_m: 300.0, speed_mps: 60.0)";
            let swerves = format!("{oncoming}, script: [ChangeLane(when: At(at_s: 0.0), to_lane: 0, over_s: 0.5)]");
            let truck = "kind: Truck, start: (lane: 0, s_m: 150.0, speed_mps: 20.0), script: \
                         [Brake(when: At(at_s: 0.0), decel_mps2: 0.1, for_s: 20.0)]";
            let (_, [a, b]) = crash(truck, &swerves, decision_hz);
            assert!((b - a - 6.45).abs() < 0.05, "they stand at {a} m and {b} m");
        }
    }

    #[test]
    fn only_cars_whose_ways_cross_are_looked_at() {
        let mut cars = world(
            "(name: \"a\", start: (lane: 0, s_m: 80.0, speed_mps: 10.0)), \
             (name: \"b\", start: (lane: 1, s_m: 60.0, speed_mps: 10.0)), \
             (name: \"c\", start: (lane: 0, s_m: 60.0, speed_mps: 10.0))",
        )
        .1
        .cars;
        let mut along_the_road = AlongTheRoad::default();
        let mut after = |moved_m: [f32; 3]| {
            for (car, moved_m) in cars.iter_mut().zip(moved_m) {
                car.step_start = StepStart::of(car);
                car.s_m += moved_m;
            }
            along_the_road.crossing(&cars)
        };
        assert_eq!(after([1.0, 1.0, 1.0]), []);
        assert_eq!(after([-7.0, 1.0, 9.0]), [(2, 0)], "one behind the other");
        assert_eq!(after([-30.0, 0.0, 30.0]), [(2, 0)], "through each other");
        assert_eq!(after([1.0, 1.0, 1.0]), [], "and past");
    }

    #[test]
    fn a_crash_keeps_the_momentum() {
        let mut cars = world(
            "(name: \"a\", kind: Truck, start: (lane: 0, s_m: 50.0, speed_mps: 20.0)), \
             (name: \"b\", start: (lane: -1, s_m: 60.0, speed_mps: 10.0))",
        )
        .1
        .cars;
        cars[1].d_m = cars[0].d_m;
        let momentum = |cars: &[Car]| cars.iter().map(|car| car.mass_kg() * car.along_mps()).sum::<f32>();
        let before = momentum(&cars);
        for car in &mut cars {
            car.step_start = StepStart::of(car);
            car.s_m += 0.2 * car.along_mps();
        }
        keep_apart(&mut cars, &mut AlongTheRoad::default());
        assert!(cars.iter().all(|car| car.crashed) && cars[1].speed_mps < 0.0, "the oncoming car is pushed back");
        assert!((momentum(&cars) - before).abs() < 1e-3 * before.abs(), "{before} to {}", momentum(&cars));
        assert!((cars[1].s_m - cars[0].s_m - 6.45).abs() < 0.01);
    }
}
