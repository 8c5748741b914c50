//! Sunrise and its like, as NOAA's solar calculator has them
//! (<https://gml.noaa.gov/grad/solcalc/calcdetails.html>): J. Meeus,
//! "Astronomical Algorithms", 2nd edition, chapters 25 and 28, with the usual
//! refraction of 34' at the horizon. Good to about a minute between the polar
//! circles, so times are whole minutes, which two hosts also agree on.

use super::times::Work;
use super::trigger::SunEvent;
use crate::clock::Millis;

/// Minutes of a day.
const DAY: f64 = 1440.0;
/// The sun moves on while it rises: each pass asks where it stands at the time
/// that the one before has found. The third changes less than a second.
const PASSES: usize = 4;

pub(super) struct Sun {
    pub(super) event: SunEvent,
    pub(super) latitude: f64,
    pub(super) longitude: f64,
}

impl Sun {
    /// The first such event at or after `at`, and not after `until`. Days without
    /// one, near the poles, are passed over.
    pub(super) fn first(&self, at: Millis, until: Millis, work: &Work) -> Option<Millis> {
        let minute = |at: Millis| at.0 as f64 / 60_000.0;
        // An event lies within a day and a half of its day's midnight in UTC.
        let mut day = (minute(at) / DAY).floor() - 2.0;
        while (day - 1.0) * DAY <= minute(until) {
            work.look()?;
            let found = self.on(day).filter(|it| *it >= 0.0);
            let found = found.map(|it| Millis(it as u64 * 60_000));
            if let Some(found) = found.filter(|it| *it >= at) {
                return Some(found).filter(|it| *it <= until);
            }
            day += 1.0;
        }
        None
    }

    /// The event on a solar day, in whole minutes since the epoch.
    fn on(&self, day: f64) -> Option<f64> {
        let noon = day * DAY + DAY / 2.0 - 4.0 * self.longitude;
        let mut at = noon;
        for _ in 0..PASSES {
            let (declination, equation) = position(at);
            at = noon - equation + 4.0 * self.angle(declination)?;
        }
        Some(at.round())
    }

    /// How far the earth turns between noon and the event, in degrees; `None`
    /// where the sun does not come to that height on this day.
    fn angle(&self, declination: f64) -> Option<f64> {
        let (zenith, side) = match self.event {
            SunEvent::DawnAstronomical => (108.0, -1.0),
            SunEvent::DawnNautical => (102.0, -1.0),
            SunEvent::DawnCivil => (96.0, -1.0),
            SunEvent::Sunrise => (90.833, -1.0),
            SunEvent::SolarNoon => return Some(0.0),
            SunEvent::Sunset => (90.833, 1.0),
            SunEvent::DuskCivil => (96.0, 1.0),
            SunEvent::DuskNautical => (102.0, 1.0),
            SunEvent::DuskAstronomical => (108.0_f64, 1.0),
        };
        let latitude = self.latitude.to_radians();
        let cosine = zenith.to_radians().cos() / (latitude.cos() * declination.cos())
            - latitude.tan() * declination.tan();
        (cosine.abs() <= 1.0).then(|| side * cosine.acos().to_degrees())
    }
}

/// The sun's declination in radians, and the equation of time in minutes, at so
/// many minutes since the epoch. The names are Meeus'.
fn position(minutes: f64) -> (f64, f64) {
    let t = (minutes / DAY + 2440587.5 - 2451545.0) / 36525.0;
    let l0 = (280.46646 + t * (36000.76983 + t * 0.0003032)).to_radians();
    let m = (357.52911 + t * (35999.05029 - t * 0.0001537)).to_radians();
    let e = 0.016708634 - t * (0.000042037 + t * 0.0000001267);
    let centre = m.sin() * (1.914602 - t * (0.004817 + t * 0.000014))
        + (2.0 * m).sin() * (0.019993 - t * 0.000101)
        + (3.0 * m).sin() * 0.000289;
    let omega = (125.04 - 1934.136 * t).to_radians();
    let lambda = l0 + (centre - 0.00569 - 0.00478 * omega.sin()).to_radians();
    let mean = 23.0 + (26.0 + (21.448 - t * (46.815 + t * (0.00059 - t * 0.001813))) / 60.0) / 60.0;
    let epsilon = (mean + 0.00256 * omega.cos()).to_radians();
    let declination = (epsilon.sin() * lambda.sin()).asin();
    let y = (epsilon / 2.0).tan().powi(2);
    let equation = y * (2.0 * l0).sin() - 2.0 * e * m.sin()
        + 4.0 * e * y * m.sin() * (2.0 * l0).cos()
        - 0.5 * y * y * (4.0 * l0).sin()
        - 1.25 * e * e * (2.0 * m).sin();
    (declination, 4.0 * equation.to_degrees())
}
