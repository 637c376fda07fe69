//! The order of a decision, in one place: command, traffic, physics, measure, judge. The camera and its faults follow, outside the
//! schedule, because they write into the caller's buffers, which no resource can borrow.
//!
//! One entity is one world; its components are what the systems share. Systems run over all worlds of a shard; nothing
//! reaches from one world into another, which is what makes world k the same whatever its slot.

use crate::clock::Clock;
use crate::fault::FaultState;
use crate::outcome::measures::Measures;
use crate::outcome::score::Scorer;
use crate::outcome::verdict::Verdict;
use crate::physics::{Context, ContextBundle, Physics, StartPose};
use crate::road::Road;
use crate::scenario::{BuiltScenario, Scenario};
use crate::scene::Scene;
use crate::traffic::Traffic;
use crate::vehicle::{Controls, EgoState};
use bevy::ecs::schedule::{LogLevel, ScheduleBuildSettings, ScheduleLabel, SingleThreadedExecutor};
use bevy::prelude::{App, Bundle, Component, IntoScheduleConfigs, Plugin, Query, SystemSet, World};
use bevy_rapier3d::prelude::RapierRigidBodySet;
use std::sync::Arc;

/// The schedule of one decision.
#[derive(ScheduleLabel, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Decide;

/// What happens in a decision, in this order.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SimSystems {
    /// Faults of the vehicle act on the controls.
    Command,
    /// Other cars choose their acceleration.
    Traffic,
    /// Controls become forces; the world moves.
    Physics,
    /// Ground truth is read off.
    Measure,
    /// The drive may end.
    Judge,
}

/// Adds the systems of a decision and their order.
pub(crate) struct SimPlugin;

impl Plugin for SimPlugin {
    fn build(&self, app: &mut App) {
        app.init_schedule(Decide)
            .configure_sets(
                Decide,
                (SimSystems::Command, SimSystems::Traffic, SimSystems::Physics, SimSystems::Measure, SimSystems::Judge)
                    .chain(),
            )
            .add_systems(
                Decide,
                (
                    command.in_set(SimSystems::Command),
                    decide_traffic.in_set(SimSystems::Traffic),
                    step_physics.in_set(SimSystems::Physics),
                    measure.in_set(SimSystems::Measure),
                    judge.in_set(SimSystems::Judge),
                ),
            )
            .edit_schedule(Decide, |schedule| {
                // An unstated order between two writers is a replay that differs; make it a panic.
                schedule.set_executor(SingleThreadedExecutor::new()).set_build_settings(ScheduleBuildSettings {
                    ambiguity_detection: LogLevel::Error,
                    ..ScheduleBuildSettings::default()
                });
            });
    }
}

/// A `World` of bevy's with the schedule of a decision and no entities yet.
pub(crate) fn empty_world() -> World {
    let mut app = App::empty();
    app.add_plugins(SimPlugin);
    std::mem::take(app.world_mut())
}

/// What does not change during a drive.
#[derive(Component, Clone)]
pub(crate) struct Fixed {
    pub scenario: Arc<Scenario>,
    pub road: Arc<Road>,
    pub scene: Arc<Scene>,
}

/// The controls for the next decision: the driver's, until faults have acted on them.
#[derive(Component, Clone, Copy, Debug, Default)]
pub(crate) struct Asked(pub Controls);

/// What the score is computed from.
#[derive(Component, Clone, Copy, Debug, Default)]
pub(crate) struct Scoring(pub Scorer);

/// One world's components.
#[derive(Bundle)]
pub(crate) struct WorldBundle {
    fixed: Fixed,
    context: ContextBundle,
    physics: Physics,
    traffic: Traffic,
    faults: FaultState,
    asked: Asked,
    measures: Measures,
    verdict: Verdict,
    scoring: Scoring,
}

impl Fixed {
    pub fn clock(&self) -> Clock {
        Clock::new(self.scenario.decision_hz)
    }

    fn ego_size_m(&self) -> (f32, f32) {
        (self.scenario.ego.vehicle.length_m, self.scenario.ego.vehicle.width_m)
    }
}

impl WorldBundle {
    /// A world at its start.
    pub fn new(built: BuiltScenario) -> Self {
        let BuiltScenario { scenario, road, scene } = built;
        let traffic = Traffic::new(&scenario.actors, &road, scenario.seed);
        let ego = scenario.ego;
        let lane_d_m = road.lane(ego.lane).map_or(0.0, |lane| lane.centre_d_m);
        let start = StartPose {
            s_m: ego.s_m,
            d_m: lane_d_m + ego.offset_m,
            relative_heading_rad: ego.heading_deg.to_radians(),
            speed_mps: ego.speed_mps,
        };
        let (mut physics, context) = Physics::new(&road, &scene.props, &traffic, ego.vehicle, start);
        physics.set_steer(ego.vehicle.steer_for_curvature(road.line.point(ego.s_m).curvature_per_m));
        let before = EgoState { s_m: ego.s_m, speed_mps: ego.speed_mps, ..EgoState::default() };
        let state = physics.ego_state(&context.bodies, &road, &before, 1.0);
        let ego_size_m = (ego.vehicle.length_m, ego.vehicle.width_m);
        let measures = Measures::at_start(state, ego.lane, &road, &traffic, ego_size_m);
        let faults = FaultState::new(scenario.perturbations.clone(), scenario.seed, Clock::new(scenario.decision_hz));
        let fixed = Fixed { scenario, road, scene };
        Self {
            fixed,
            context,
            physics,
            traffic,
            faults,
            asked: Asked::default(),
            measures,
            verdict: Verdict::default(),
            scoring: Scoring::default(),
        }
    }
}

fn command(mut worlds: Query<(&Measures, &Verdict, &mut FaultState, &mut Asked)>) {
    for (measures, _, mut faults, mut asked) in worlds.iter_mut().filter(|world| world.1.outcome.is_none()) {
        asked.0 = faults.command(measures.step, asked.0);
    }
}

fn decide_traffic(mut worlds: Query<(&Fixed, &Measures, &Verdict, &mut Traffic)>) {
    for (fixed, measures, _, mut traffic) in worlds.iter_mut().filter(|world| world.2.outcome.is_none()) {
        traffic.decide(&fixed.road, &measures.ego, fixed.ego_size_m(), fixed.clock(), measures.step);
    }
}

fn step_physics(mut worlds: Query<(&Fixed, &Asked, &Verdict, Context, &mut Physics, &mut Traffic)>) {
    for (fixed, asked, _, mut context, mut physics, mut traffic) in
        worlds.iter_mut().filter(|world| world.2.outcome.is_none())
    {
        let substeps = fixed.scenario.substeps;
        let dt_s = fixed.clock().decision_s() / f32::from(substeps);
        physics.step(&mut context, asked.0, &fixed.road, &mut traffic, dt_s, substeps);
    }
}

fn measure(
    mut worlds: Query<(&Fixed, &Verdict, &RapierRigidBodySet, &Physics, &Traffic, &mut Measures, &mut Scoring)>,
) {
    for (fixed, verdict, bodies, physics, traffic, mut measures, mut scoring) in &mut worlds {
        if verdict.outcome.is_none() {
            let decision_s = fixed.clock().decision_s();
            let ego = physics.ego_state(bodies, &fixed.road, &measures.ego, decision_s);
            let next = measures.next(ego, &fixed.road, traffic, fixed.ego_size_m(), decision_s, physics.contact());
            scoring.0.note(&next);
            *measures = next;
        }
    }
}

fn judge(mut worlds: Query<(&Fixed, &Measures, &mut Verdict)>) {
    for (fixed, measures, mut verdict) in &mut worlds {
        verdict.judge(measures, &fixed.road, fixed.clock(), fixed.scenario.duration_s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> App {
        let mut app = App::empty();
        app.add_plugins(SimPlugin);
        app
    }

    /// One decision at full throttle, half a second long, of a drive that lasts no longer, behind a car that is told to brake.
    fn one_decision(perturbations: &str) -> (Measures, Verdict, f32) {
        let text = format!(
            "Scenario(format: 1, title: \"t\", duration_s: 0.5, decision_hz: 2.0, substeps: 20, \
             road: Straight(length_m: 300.0), ego: (s_m: 20.0, speed_mps: 10.0), \
             actors: [(name: \"ahead\", start: (lane: 0, s_m: 120.0, speed_mps: 10.0), \
             script: [Brake(when: At(at_s: 0.0), decel_mps2: 6.0, for_s: 2.0)])], perturbations: [{perturbations}])"
        );
        let built = crate::parse(&text, "t.ron".as_ref()).expect("a scenario");
        let mut app = app();
        let entity = app.world_mut().spawn(WorldBundle::new(built)).id();
        let world = app.world_mut();
        let throttle = Controls { throttle: 1.0, ..Controls::default() };
        world.get_mut::<Asked>(entity).expect("a world has all of its bundle").0 = throttle;
        world.get_mut::<FaultState>(entity).expect("a world has all of its bundle").watch(&Measures::default());
        world.run_schedule(Decide);
        let world = world.entity(entity);
        let (measures, verdict, traffic) = world.components::<(&Measures, &Verdict, &Traffic)>();
        (*measures, *verdict, traffic.cars()[0].speed_mps)
    }

    /// Each of the neighbours in the chain that share something is told from the other order by what one decision leaves behind.
    #[test]
    fn a_decision_goes_from_controls_to_the_verdict() {
        let (measures, verdict, car_ahead_mps) = one_decision("");
        assert!((car_ahead_mps - 7.0).abs() < 0.01, "traffic decides before it moves: {car_ahead_mps} m/s");
        assert!(measures.step == 1 && measures.ego.speed_mps > 10.5, "measured after it moved: {measures:?}");
        assert!((24.9..26.0).contains(&measures.ego.s_m), "measured after it moved: {measures:?}");
        assert_eq!(verdict.outcome, Some(crate::Outcome::TimeUp), "judged by what was measured in this decision");
        // Controls that come late must not have moved the car in the decision they were asked for in.
        let late = "(during_s: (0.0, 9.0), fault: Graded(kind: ControlDelay, severity: 1))";
        let (measures, ..) = one_decision(late);
        assert!(measures.ego.speed_mps < 10.1, "faults act on controls before they move the car: {measures:?}");
    }

    #[test]
    #[should_panic(expected = "ambig")]
    fn a_second_writer_without_an_order_is_refused() {
        fn meddle(mut worlds: Query<&mut Traffic>) {
            worlds.iter_mut().for_each(|mut traffic| *traffic = Traffic::default());
        }
        let mut app = app();
        app.add_systems(Decide, meddle);
        app.world_mut().run_schedule(Decide);
    }
}
