use super::*;
use crate::torture::checks::world::World;

#[test]
fn a_story_is_told_in_order_and_once() {
    let lines = cut(vec![
        Line::new(0, "end"),
        Line::new(7, "b"),
        Line::new(5, "a"),
        Line::new(7, "b"),
    ]);
    let told: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(told, ["a", "b", "end"]);
}

#[test]
fn a_long_story_keeps_its_beginning_and_its_end() {
    let lines = cut((1..=500).map(|n| Line::new(n, n.to_string())).collect());
    assert_eq!(lines.len(), MOST_LINES);
    assert_eq!(lines[0].text, "1");
    assert!(
        lines[FIRST_LINES].text.contains("471 lines"),
        "{:?}",
        lines[FIRST_LINES]
    );
    assert_eq!(lines[MOST_LINES - 1].text, "500");
}

#[test]
fn the_story_of_an_order_is_its_requests_and_its_records() {
    let mut world = World::new();
    let order = world.reserve(1, 3);
    world.told_confirmed(1, 3, order);
    let other = world.reserve(2, 4);
    world.told_confirmed(2, 4, other);
    world.release(order);
    let lines = of_order(&world.evidence(), order);
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines.iter().all(|line| !line.text.contains(&other.to_string())));
}

#[test]
fn the_story_of_a_version_says_what_the_log_has_and_who_was_told() {
    let mut world = World::new();
    world.reserve(1, 3);
    let version = world.last_offset();
    for _ in 0..20 {
        world.read(version, 997, 3, true, None);
    }
    let product = "PROD-001".parse().expect("valid");
    let lines = of_version(&world.evidence(), &product, version);
    let has = |text: &str| lines.iter().any(|line| line.text.contains(text));
    assert!(
        has("model: PROD-001") && has("instance 3 lists") && has("14 more answers"),
        "{lines:?}"
    );
    assert!(lines.len() <= MOST_LINES);
}
