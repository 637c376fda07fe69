//! What stands beside the world: what the driver gets and sees, what it thinks, how it fares, and everything that can be asked for
//! by mouse. It draws a [`Session`] and returns orders; it changes nothing itself.
//!
//! It is egui rather than bevy's own UI: that has sliders, lists and a painter for curves, is kept up with each release
//! of bevy, and can be driven without a renderer, so that a test clicks on every place of it and finds every order. Its
//! pictures are drawn on the processor and handed over as bevy's images: egui's own textures arrive one picture late.

use crate::formats::pictures::Picture;
use crate::policy::QValues;
use crate::watch::drive::{Hands, LiveFault, Moment};
use crate::watch::window::orders::{CameraMode, HELD_KEYS, Order, key_orders};
use crate::watch::window::overlay::{BELIEF, Overlay, TRUTH, channels};
use crate::watch::window::session::Session;
use bevy_egui::egui::{
    self, Align2, Color32, ComboBox, Context, FontId, Frame, Panel, Pos2, Rect, RichText, Sense, Slider, Stroke,
    TextureId, Ui, Vec2,
};
use roadproof_perception::GAP_MAX_M;
use roadproof_sim::fault::{FaultKind, Severity};

/// Width of the panel, in points.
pub const WIDTH: f32 = 330.0;
/// Pixels of a picture for each pixel of the frame.
const SCALE: usize = 4;
/// How far plots look back.
const PLOT_S: f32 = 10.0;
/// Width of a plot's name and of its latest value, in points: curves stay between the two.
const PLOT_NAME_WIDTH: f32 = 66.0;
const PLOT_VALUE_WIDTH: f32 = 36.0;

const DIM: Color32 = Color32::from_gray(120);
const INK: Color32 = Color32::from_gray(225);
const CHOSEN: Color32 = Color32::from_rgb(255, 150, 40);
const GOOD: Color32 = Color32::from_rgb(90, 220, 120);
const BAD: Color32 = Color32::from_rgb(240, 90, 80);

/// The pictures of the shown moment, drawn anew when it is another one.
#[derive(Default)]
pub struct Pictures {
    shown: Option<((u64, u64, usize), usize, bool, bool)>,
}

impl Pictures {
    /// The driver's frame with what it sees in it, and the clean one; `None` if they are the same as the last time.
    pub fn renew(&mut self, session: &mut Session) -> Option<[Picture; 2]> {
        let (overlay, saliency) = (session.shows.overlay, session.shows.saliency);
        let state = (session.shown_version(), session.drive().last(), overlay, saliency);
        if self.shown.replace(state) == Some(state) {
            return None;
        }
        let map = if saliency { session.saliency().to_vec() } else { Vec::new() };
        let moment = session.moment();
        let scenario = session.drive().scenario();
        let drawn = Overlay { camera: &scenario.camera, ego_length_m: scenario.ego.vehicle.length_m, scale: SCALE };
        let perceived = if !map.is_empty() {
            drawn.salient(moment, &map)
        } else if overlay {
            drawn.perceived(moment)
        } else {
            drawn.enlarged(&moment.frame)
        };
        Some([perceived, drawn.enlarged(&moment.clean)])
    }
}

/// Draws everything around the world, and returns what is left for the world together with what was asked for.
/// `textures` are those of [`Pictures`], once they are on the graphics card.
pub fn draw(ui: &mut Ui, session: &Session, textures: Option<[TextureId; 2]>) -> (Rect, Vec<Order>) {
    let mut orders = Vec::new();
    if session.shows.panel {
        let frame = Frame::side_top_panel(ui.style()).inner_margin(6.0);
        Panel::bottom("timeline").resizable(false).frame(frame).show(ui, |ui| timeline(ui, session, &mut orders));
        Panel::right("panel").resizable(false).exact_size(WIDTH).frame(frame).show(ui, |ui| {
            egui::ScrollArea::vertical().show(ui, |ui| {
                headline(ui, session);
                pictures(ui, session, textures);
                numbers(ui, session);
                values(ui, session.moment());
                plots(ui, session);
                rewards(ui, session.moment());
                choices(ui, session, &mut orders);
            });
        });
    }
    let rest = ui.available_rect_before_wrap();
    if !session.shows.panel && !session.shows.bare {
        egui::Area::new("panel button".into()).anchor(Align2::RIGHT_TOP, Vec2::new(-6.0, 6.0)).show(ui.ctx(), |ui| {
            button(ui, "panel", Order::Panel, &mut orders);
        });
    }
    if session.shows.help {
        help(ui.ctx());
    }
    (rest, orders)
}

fn small(text: impl Into<String>) -> RichText {
    RichText::new(text).size(11.0)
}

fn headline(ui: &mut Ui, session: &Session) {
    let (drivers, driver) = session.drivers();
    let hands = match session.drive().hands() {
        Hands::Driver => drivers[driver].clone(),
        Hands::Wheel => "your hands".to_owned(),
        Hands::Recorded(_) => "recording".to_owned(),
    };
    let moment = session.moment();
    ui.label(RichText::new(format!("{hands} · {}", session.title())).size(13.0).strong().color(INK));
    let pace = if session.paused() { "paused".to_owned() } else { format!("× {}", session.pace()) };
    let ended = moment.verdict.outcome.map_or_else(String::new, |outcome| format!(" · {outcome:?}"));
    let colour = if moment.verdict.outcome.is_some() { CHOSEN } else { DIM };
    ui.label(small(format!("{:.1} s · {pace}{ended}", moment.measures.time_s)).color(colour));
    if let Some(message) = session.message() {
        ui.label(small(message).color(CHOSEN));
    }
}

fn pictures(ui: &mut Ui, session: &Session, textures: Option<[TextureId; 2]>) {
    let camera = session.drive().scenario().camera;
    let width = ui.available_width();
    // Upright cameras would leave no room for anything else.
    let ratio = f32::from(camera.height_px) / f32::from(camera.width_px);
    let size = Vec2::new(width, width * ratio).min(Vec2::new(150.0 / ratio, 150.0));
    let faulty = session.moment().frame != session.moment().clean;
    let what = if session.shows.saliency { "what the choice hangs on" } else { "what the driver gets, and sees in it" };
    for (texture, words) in textures.into_iter().flatten().zip([what, "without faults"]) {
        ui.label(small(words).color(DIM));
        ui.image((texture, size));
    }
    ui.horizontal(|ui| {
        let [r, g, b] = channels(TRUTH);
        ui.label(small("truth").color(Color32::from_rgb(r, g, b)));
        let [r, g, b] = channels(BELIEF);
        ui.label(small("perceived").color(Color32::from_rgb(r, g, b)));
        if faulty {
            ui.label(small("the frame is perturbed").color(BAD));
        }
    });
}

fn numbers(ui: &mut Ui, session: &Session) {
    let moment = session.moment();
    let measures = &moment.measures;
    let distance = |metres: Option<f32>| metres.map_or("free".to_owned(), |metres| format!("{metres:.1} m"));
    let ttc = measures.time_to_collision_s;
    let ttc = if ttc.is_finite() { format!("{ttc:.1} s") } else { "none".to_owned() };
    let rows = [
        ("speed", format!("{:.1} of {:.1} m/s", measures.ego.speed_mps, measures.speed_limit_mps)),
        ("steering", format!("{:+.3} rad", measures.ego.steer_rad)),
        ("gap ahead", distance(measures.gap_m)),
        ("time to collision", ttc),
        ("lane offset", format!("{:+.2} m", measures.lane_offset_m)),
        ("driving score", format!("{:.1}", moment.score.driving_score)),
    ];
    egui::Grid::new("numbers").num_columns(4).spacing([10.0, 2.0]).show(ui, |ui| {
        for pair in rows.chunks(2) {
            for (name, value) in pair {
                ui.label(small(*name).color(DIM));
                ui.label(small(value).color(INK));
            }
            ui.end_row();
        }
    });
}

/// Q-values of each choice, the chosen ones marked.
fn values(ui: &mut Ui, moment: &Moment) {
    let Some(thought) = &moment.thought else { return };
    let chosen = thought.action();
    let q = QValues(&thought.heads);
    ui.label(
        small(format!("Q {:.2}: advantage of each steering angle, and of each acceleration", q.of(chosen))).color(DIM),
    );
    let (steer, acceleration) = (q.steer(), q.acceleration());
    let width = ui.available_width();
    ui.horizontal(|ui| {
        // Left is left: the list runs from right to left.
        let labels = [Some("left"), Some("right")];
        let mirrored: Vec<f32> = steer.iter().rev().copied().collect();
        bars(ui, &mirrored, steer.len() - 1 - chosen.steer, width * 0.62, labels);
        let labels = [Some("brake"), Some("go")];
        bars(ui, acceleration, chosen.acceleration, width * 0.34, labels);
    });
}

fn bars(ui: &mut Ui, values: &[f32], chosen: usize, width: f32, labels: [Option<&str>; 2]) {
    let (rect, _) = ui.allocate_exact_size(Vec2::new(width, 44.0), Sense::hover());
    let painter = ui.painter_at(rect);
    let (least, most) =
        values.iter().fold((f32::MAX, f32::MIN), |(least, most), &value| (least.min(value), most.max(value)));
    let step = rect.width() / values.len() as f32;
    let floor = rect.bottom() - 11.0;
    for (index, value) in values.iter().enumerate() {
        let share = 0.08 + 0.92 * (value - least) / (most - least).max(1e-6);
        let left = rect.left() + step * index as f32;
        let from = Pos2::new(left + 1.0, floor - share * (floor - rect.top()));
        let colour = if index == chosen { CHOSEN } else { DIM };
        painter.rect_filled(Rect::from_min_max(from, Pos2::new(left + step - 1.0, floor)), 1.0, colour);
    }
    for (label, (x, align)) in
        labels.iter().zip([(rect.left(), Align2::LEFT_BOTTOM), (rect.right(), Align2::RIGHT_BOTTOM)])
    {
        if let Some(label) = label {
            painter.text(Pos2::new(x, rect.bottom()), align, label, FontId::proportional(9.0), DIM);
        }
    }
}

/// Curves over the last seconds up to the shown moment.
fn plots(ui: &mut Ui, session: &Session) {
    let drive = session.drive();
    let shown = session.shown();
    let count = (PLOT_S / drive.decision_s()) as usize;
    let moments = &drive.moments()[shown.saturating_sub(count)..=shown];
    let curve = |value: &dyn Fn(&Moment) -> Option<f32>| moments.iter().map(value).collect::<Vec<_>>();
    let speed = curve(&|moment| Some(moment.measures.ego.speed_mps));
    let limit = curve(&|moment| Some(moment.measures.speed_limit_mps));
    plot(ui, "speed, m/s", count, &[(&limit, DIM), (&speed, CHOSEN)], Some(0.0));
    let believed = curve(&|moment| moment.thought.as_ref().map(|thought| thought.percept.lane_offset_m));
    let true_offset = curve(&|moment| Some(moment.measures.lane_offset_m));
    plot(ui, "lane offset, m", count, &[(&believed, CHOSEN), (&true_offset, GOOD)], None);
    let believed = curve(&|moment| {
        let percept = moment.thought.as_ref()?.percept;
        (percept.lead_probability >= 0.5).then_some(percept.gap_m)
    });
    // As far as perception can tell; the truth goes on to the end of the road.
    let gap = curve(&|moment| moment.measures.gap_m.filter(|&gap_m| gap_m < GAP_MAX_M));
    plot(ui, "gap ahead, m", count, &[(&believed, CHOSEN), (&gap, GOOD)], Some(0.0));
    let reward = curve(&|moment| Some(moment.reward.iter().map(|(_, term)| term).sum()));
    plot(ui, "reward", count, &[(&reward, INK)], Some(0.0));
}

/// One plot: its name on the left, its latest value on the right, and the curves in what is left between them.
fn plot(ui: &mut Ui, name: &str, count: usize, curves: &[(&Vec<Option<f32>>, Color32)], with: Option<f32>) {
    let (row, _) = ui.allocate_exact_size(Vec2::new(ui.available_width(), 34.0), Sense::hover());
    let area = plot_area(row);
    ui.painter().rect_filled(area, 2.0, Color32::from_gray(24));
    let label = |at: Pos2, align: Align2, words: String, colour: Color32| {
        ui.painter().text(at, align, words, FontId::proportional(9.0), colour);
    };
    label(row.left_center(), Align2::LEFT_CENTER, name.to_owned(), DIM);
    if let Some(latest) = curves.last().and_then(|(curve, _)| curve.last().copied().flatten()) {
        label(row.right_center(), Align2::RIGHT_CENTER, format!("{latest:.2}"), INK);
    }
    let values = || curves.iter().flat_map(|(curve, _)| curve.iter().flatten().copied()).chain(with);
    let (least, most) = values().fold((f32::MAX, f32::MIN), |(least, most), value| (least.min(value), most.max(value)));
    if least > most {
        return;
    }
    let (middle, half) = (0.5 * (least + most), (0.55 * (most - least)).max(0.05));
    let at = |index: usize, length: usize, value: f32| {
        let x = area.right() - area.width() * (length - 1 - index) as f32 / count.max(1) as f32;
        Pos2::new(x, area.center().y - 0.5 * area.height() * (value - middle) / half)
    };
    let painter = ui.painter_at(area);
    for (curve, colour) in curves {
        let points: Vec<Option<Pos2>> =
            curve.iter().enumerate().map(|(index, value)| value.map(|value| at(index, curve.len(), value))).collect();
        for ends in points.windows(2) {
            if let [Some(from), Some(to)] = ends {
                painter.line_segment([*from, *to], Stroke::new(1.3, *colour));
            }
        }
    }
}

/// Where a plot's curves are drawn: beside its words, which they would cross out.
fn plot_area(row: Rect) -> Rect {
    Rect::from_min_max(row.min + Vec2::new(PLOT_NAME_WIDTH, 0.0), row.max - Vec2::new(PLOT_VALUE_WIDTH, 0.0))
}

/// Terms of the reward that are not zero.
fn rewards(ui: &mut Ui, moment: &Moment) {
    ui.horizontal_wrapped(|ui| {
        ui.label(small(format!("reward {:+.1} so far:", moment.reward_so_far)).color(DIM));
        for (name, term) in moment.reward.iter().filter(|(_, term)| term.abs() >= 0.0005) {
            let colour = if *term > 0.0 { GOOD } else { BAD };
            ui.label(small(format!("{} {term:+.3}", name.replace('_', " "))).color(colour));
        }
    });
}

fn choices(ui: &mut Ui, session: &Session, orders: &mut Vec<Order>) {
    ui.separator();
    let (drivers, driver) = session.drivers();
    ui.horizontal_wrapped(|ui| {
        for (index, name) in drivers.iter().enumerate() {
            if ui.selectable_label(index == driver, small(name.as_str())).clicked() {
                orders.push(Order::Driver(index));
            }
        }
        let words = if *session.drive().hands() == Hands::Wheel { "give back" } else { "take the wheel" };
        button(ui, words, Order::Wheel, orders);
    });
    ui.horizontal(|ui| {
        for camera in CameraMode::ALL {
            if ui.selectable_label(session.shows.camera == camera, small(camera.name())).clicked() {
                orders.push(Order::Camera(camera));
            }
        }
    });
    faults(ui, session, orders);
    ui.horizontal(|ui| {
        for (words, on, order) in [
            ("overlay", session.shows.overlay, Order::Overlay),
            ("saliency", session.shows.saliency, Order::Saliency),
            ("physics", session.shows.physics, Order::Physics),
            ("keys", session.shows.help, Order::Help),
            ("hide the panel", false, Order::Panel),
        ] {
            if ui.selectable_label(on, small(words)).clicked() {
                orders.push(order);
            }
        }
    });
}

/// Switches for every fault: those that are on with their severities, and one to choose.
fn faults(ui: &mut Ui, session: &Session, orders: &mut Vec<Order>) {
    let on = session.drive().faults();
    for (index, (kind, severity)) in on.iter().enumerate() {
        ui.horizontal(|ui| {
            let mut level = severity.get();
            let changed = ui.add(Slider::new(&mut level, 1..=5).text(kind.name())).changed();
            let mut next: Vec<LiveFault> = on.to_vec();
            if let (true, Some(severity)) = (changed, Severity::new(level)) {
                next[index].1 = severity;
                orders.push(Order::Faults(next));
            } else if ui.small_button("off").clicked() {
                next.remove(index);
                orders.push(Order::Faults(next));
            }
        });
    }
    ui.horizontal(|ui| {
        let (chosen, level) = session.chosen_fault();
        let text = small(format!("{} {level}", chosen.name()));
        button(
            ui,
            if on.iter().any(|(kind, _)| *kind == chosen) { "fault off" } else { "fault on" },
            Order::ToggleFault,
            orders,
        );
        ComboBox::from_id_salt("fault").selected_text(text).width(170.0).show_ui(ui, |ui| {
            let severity = Severity::new(level).unwrap_or(Severity::ALL[2]);
            for kind in FaultKind::ALL {
                let has = on.iter().any(|(other, _)| other == kind);
                if ui.selectable_label(has, small(kind.name())).on_hover_text(kind.describe()).clicked() {
                    let mut next: Vec<LiveFault> = on.iter().copied().filter(|(other, _)| other != kind).collect();
                    if !has {
                        next.push((*kind, severity));
                    }
                    orders.push(Order::Faults(next));
                }
            }
        });
    });
}

fn button(ui: &mut Ui, words: &str, order: Order, orders: &mut Vec<Order>) {
    if ui.button(small(words)).clicked() {
        orders.push(order);
    }
}

/// Buttons of time, and the whole drive as a slider.
fn timeline(ui: &mut Ui, session: &Session, orders: &mut Vec<Order>) {
    ui.horizontal(|ui| {
        let pause = if session.paused() { "go on" } else { "pause" };
        for (words, order) in [
            (pause, Order::Pause),
            ("|<", Order::Restart),
            ("<", Order::StepBack),
            (">", Order::StepOn),
            ("slower", Order::Slower),
            ("faster", Order::Faster),
        ] {
            button(ui, words, order, orders);
        }
        let (shown, last) = (session.shown(), session.drive().last());
        let mut at = shown;
        ui.spacing_mut().slider_width = (ui.available_width() - 330.0).max(60.0);
        if ui.add(Slider::new(&mut at, 0..=last.max(1)).show_value(false)).changed() {
            orders.push(Order::Scrub(at));
        }
        ui.label(small(format!("{shown} of {last}")).color(DIM));
        if session.looks_back() {
            button(ui, "go on from here", Order::Branch, orders);
        }
        for (words, order) in
            [("scenario <", Order::PreviousScenario), ("scenario >", Order::NextScenario), ("seed >", Order::NextSeed)]
        {
            button(ui, words, order, orders);
        }
    });
}

fn help(context: &Context) {
    egui::Window::new("Keys").collapsible(false).resizable(false).anchor(Align2::CENTER_CENTER, Vec2::ZERO).show(
        context,
        |ui| {
            egui::Grid::new("keys").num_columns(4).spacing([14.0, 1.0]).show(ui, |ui| {
                for pair in key_orders().chunks(2) {
                    for key in pair {
                        ui.label(small(key.name).color(CHOSEN));
                        ui.label(small(key.words));
                    }
                    ui.end_row();
                }
            });
            ui.separator();
            for (keys, words) in HELD_KEYS {
                ui.horizontal(|ui| {
                    ui.label(small(keys).color(CHOSEN));
                    ui.label(small(words));
                });
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::window::session::Choice;
    use bevy_egui::egui::{Event, Modifiers, PointerButton, RawInput};
    use std::collections::BTreeSet;

    const SCREEN: Vec2 = Vec2::new(1280.0, 760.0);

    fn session() -> Session {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../scenarios/cut_in/from_left.ron");
        let scenario = roadproof_sim::read(path.as_ref()).expect("a scenario of the repository").into_scenario();
        let choice = Choice { name: "cut_in/from_left".to_owned(), scenario };
        let mut session = Session::new("shipped", vec![choice], None).expect("a session");
        (0..20).for_each(|_| session.advance(0.1));
        session.give(Order::ToggleFault);
        (0..5).for_each(|_| session.advance(0.1));
        session.give(Order::Scrub(18));
        session
    }

    fn pass(context: &Context, session: &Session, events: Vec<Event>) -> (Rect, Vec<Order>) {
        let screen_rect = Some(Rect::from_min_size(Pos2::ZERO, SCREEN));
        let mut drawn = (Rect::NOTHING, Vec::new());
        let input = RawInput { screen_rect, events, ..RawInput::default() };
        let _ = context.run_ui(input, |ui| drawn = draw(ui, session, None));
        drawn
    }

    #[test]
    fn everything_is_in_reach_of_the_mouse() {
        let (context, session) = (Context::default(), session());
        (0..3).for_each(|_| drop(pass(&context, &session, Vec::new())));
        let mut names = BTreeSet::new();
        // Twice: a list that opens under the mouse closes again if the next place is still on it.
        let grid = |step: f32| {
            let place = move |column: usize, row: usize| Pos2::new(10.0 * column as f32 + 4.0, step * row as f32 + 3.0);
            (0..128).flat_map(move |column| (0..(SCREEN.y / step) as usize).map(move |row| place(column, row)))
        };
        let places = grid(6.0).chain(grid(7.0));
        for pos in places.filter(|pos| pos.x > SCREEN.x - WIDTH - 15.0 || pos.y > SCREEN.y - 40.0) {
            let button = |pressed| Event::PointerButton {
                pos,
                button: PointerButton::Primary,
                pressed,
                modifiers: Modifiers::NONE,
            };
            for events in [vec![Event::PointerMoved(pos)], vec![button(true)], vec![button(false)]] {
                for order in pass(&context, &session, events).1 {
                    let words = format!("{order:?}");
                    names.insert(words.split(['(', ' ']).next().unwrap_or_default().to_owned());
                }
            }
        }
        let wanted = [
            "Pause",
            "StepOn",
            "StepBack",
            "Slower",
            "Faster",
            "Restart",
            "NextScenario",
            "PreviousScenario",
            "NextSeed",
            "Scrub",
            "Branch",
            "Wheel",
            "Driver",
            "Camera",
            "Overlay",
            "Saliency",
            "Physics",
            "ToggleFault",
            "Faults",
            "Help",
            "Panel",
        ];
        let missing: Vec<_> = wanted.into_iter().filter(|name| !names.contains(*name)).collect();
        assert!(missing.is_empty(), "out of reach: {missing:?}, in reach: {names:?}");
    }

    #[test]
    fn pictures_are_drawn_anew_only_when_they_change() {
        let (mut session, mut pictures) = (session(), Pictures::default());
        let [perceived, clean] = pictures.renew(&mut session).expect("the first pictures");
        assert!(perceived.width == 640 && perceived.rgb != clean.rgb);
        assert_eq!(pictures.renew(&mut session), None);
        session.give(Order::Saliency);
        let [salient, same] = pictures.renew(&mut session).expect("other pictures");
        assert!(salient.rgb != perceived.rgb && same == clean);
        session.give(Order::StepBack);
        assert!(pictures.renew(&mut session).is_some());
    }

    #[test]
    fn the_panel_leaves_room_for_the_world_and_comes_back() {
        let (context, mut session) = (Context::default(), session());
        (0..3).for_each(|_| drop(pass(&context, &session, Vec::new())));
        let (rest, _) = pass(&context, &session, Vec::new());
        assert!(rest.width() > 850.0 && rest.width() < SCREEN.x - WIDTH + 1.0 && rest.height() > 650.0, "{rest:?}");
        session.give(Order::Panel);
        let (rest, _) = pass(&context, &session, Vec::new());
        assert_eq!(rest.size(), SCREEN);
        let pos = Pos2::new(SCREEN.x - 25.0, 16.0);
        let button =
            |pressed| Event::PointerButton { pos, button: PointerButton::Primary, pressed, modifiers: Modifiers::NONE };
        let mut orders = Vec::new();
        for events in [vec![Event::PointerMoved(pos)], vec![], vec![button(true)], vec![button(false)]] {
            orders.extend(pass(&context, &session, events).1);
        }
        assert_eq!(orders, [Order::Panel]);
    }
}
