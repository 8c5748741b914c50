//! The sun against PyEphem 4.2 (libastro, after VSOP87), which has nothing in common
//! with the formulas that are used here.

use super::*;

const BERLIN: (f64, f64) = (52.52, 13.405);
const NEW_YORK: (f64, f64) = (40.7128, -74.006);
const SYDNEY: (f64, f64) = (-33.8688, 151.2093);
const REYKJAVIK: (f64, f64) = (64.1466, -21.9426);
const TROMSO: (f64, f64) = (69.6492, 18.9553);

fn sun(event: SunEvent, (latitude, longitude): (f64, f64)) -> Trigger {
    Trigger::Sun {
        event,
        latitude,
        longitude,
    }
}

#[test]
fn the_sun_keeps_to_the_tables() {
    use SunEvent::*;
    for (place, event, expected) in [
        (BERLIN, DawnNautical, "2026-06-21T00:29Z"),
        (BERLIN, DawnCivil, "2026-06-21T01:53Z"),
        (BERLIN, Sunrise, "2026-06-21T02:43Z"),
        (BERLIN, SolarNoon, "2026-06-21T11:08Z"),
        (BERLIN, Sunset, "2026-06-21T19:33Z"),
        (BERLIN, DuskCivil, "2026-06-21T20:24Z"),
        (BERLIN, DawnAstronomical, "2026-12-21T05:07Z"),
        (BERLIN, Sunrise, "2026-12-21T07:15Z"),
        (BERLIN, Sunset, "2026-12-21T14:54Z"),
        (BERLIN, DuskNautical, "2026-12-21T16:20Z"),
        (BERLIN, DuskAstronomical, "2026-12-21T17:02Z"),
        (BERLIN, Sunrise, "2026-03-20T05:09Z"),
        (BERLIN, Sunset, "2026-03-20T17:19Z"),
        (NEW_YORK, Sunrise, "2026-06-21T09:25Z"),
        (NEW_YORK, Sunset, "2026-06-22T00:31Z"),
        (NEW_YORK, Sunrise, "2026-12-21T12:17Z"),
        (NEW_YORK, Sunset, "2026-12-21T21:32Z"),
        (SYDNEY, Sunrise, "2026-12-20T18:41Z"),
        (SYDNEY, Sunset, "2026-12-21T09:05Z"),
        (SYDNEY, Sunrise, "2026-06-20T21:00Z"),
        (SYDNEY, Sunset, "2026-06-21T06:54Z"),
        (REYKJAVIK, Sunrise, "2026-06-21T02:55Z"),
        (REYKJAVIK, Sunset, "2026-06-22T00:04Z"),
        (REYKJAVIK, Sunrise, "2026-12-21T11:22Z"),
        (REYKJAVIK, Sunset, "2026-12-21T15:29Z"),
    ] {
        let expected = at(expected);
        let found = sun(event, place).next(Millis(expected.0 - 6 * 3_600_000));
        let off = found.unwrap().0.abs_diff(expected.0);
        assert!(off <= 120_000, "{event} at {place:?}: {} s", off / 1_000);
        assert_eq!(found.unwrap().0 % 60_000, 0, "whole minutes");
    }
}

#[test]
fn a_polar_night_and_a_polar_day_are_passed_over() {
    // In Tromsø the sun is below the horizon from the end of November to the
    // middle of January, and above it from the middle of May to the end of July.
    for (event, after, from, to) in [
        (
            SunEvent::Sunrise,
            "2026-12-01T00:00Z",
            "2027-01-12T00:00Z",
            "2027-01-18T00:00Z",
        ),
        (
            SunEvent::Sunset,
            "2026-05-25T00:00Z",
            "2026-07-22T00:00Z",
            "2026-07-30T00:00Z",
        ),
    ] {
        let found = sun(event, TROMSO).next(at(after)).unwrap();
        assert!(
            found > at(from) && found < at(to),
            "{event}: {}",
            text(found)
        );
    }
    let noon = sun(SunEvent::SolarNoon, TROMSO);
    assert_eq!(fires(&noon, "2026-12-20T00:00Z", 1)[0][..10], *"2026-12-20");
}

#[test]
fn every_day_has_one_of_each_wherever_it_is() {
    for longitude in [-180.0, -122.4, -0.1, 0.0, 77.2, 151.2, 180.0] {
        for event in SunEvent::ALL {
            let trigger = sun(*event, (30.0, longitude));
            let mut fire = trigger.next(at("2026-01-01T00:00Z")).unwrap();
            for _ in 0..800 {
                let next = trigger.next(fire).unwrap();
                let hours = next.since(fire).as_secs_f64() / 3_600.0;
                assert!(
                    (23.9..24.1).contains(&hours),
                    "{event} at {longitude}: {hours} h"
                );
                fire = next;
            }
        }
    }
}

#[test]
fn words_of_events_read_back() {
    for event in SunEvent::ALL {
        assert_eq!(event.to_string().parse(), Ok(*event));
        let stored = serde_json::to_value(event).unwrap();
        assert_eq!(stored, event.as_str(), "as it is stored");
    }
    assert!(
        "noon"
            .parse::<SunEvent>()
            .unwrap_err()
            .starts_with("`noon` is none of dawn_")
    );
}
