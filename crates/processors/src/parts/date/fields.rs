//! What was read of a date, and the time it amounts to. Pure.

use jiff::{
    Zoned,
    civil::{Date, DateTime, Time, Weekday},
    tz::{Offset, TimeZone},
};

/// The parts that stood in the text.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    pub(super) year: Option<i64>,
    pub(super) before_christ: bool,
    pub(super) month: Option<i64>,
    pub(super) day: Option<i64>,
    pub(super) day_of_year: Option<i64>,
    pub(super) weekday: Option<Weekday>,
    pub(super) hour: Option<i64>,
    pub(super) hour_of_half: Option<i64>,
    pub(super) afternoon: Option<bool>,
    pub(super) minute: Option<i64>,
    pub(super) second: Option<i64>,
    pub(super) nano: Option<i64>,
    pub(super) nano_of_day: Option<i64>,
    pub(super) offset: Option<Offset>,
    pub(super) zone: Option<TimeZone>,
}

impl Fields {
    /// The time, with the date of `today` for what is missing; `None` for the 30th of February.
    pub(super) fn resolve(self, today: &Zoned, zone: &TimeZone) -> Option<Zoned> {
        let zone = match (self.offset, &self.zone) {
            (Some(offset), None) => TimeZone::fixed(offset),
            (_, Some(zone)) => zone.clone(),
            (None, None) => zone.clone(),
        };
        let at = DateTime::from_parts(self.date(today)?, self.time()?);
        let at = match (self.offset, &self.zone) {
            // An offset beside a zone says which of two equal times in autumn is meant.
            (Some(offset), Some(_)) => offset.to_timestamp(at).ok()?.to_zoned(zone),
            _ => at.to_zoned(zone).ok()?,
        };
        Some(at)
    }

    fn date(&self, today: &Zoned) -> Option<Date> {
        let year = match self.year {
            Some(year) if self.before_christ => 1 - year,
            Some(year) => year,
            None => i64::from(today.year()),
        };
        let year = i16::try_from(year).ok()?;
        let date = if let Some(day) = self.day_of_year {
            Date::new(year, 1, 1)
                .ok()?
                .checked_add(jiff::Span::new().try_days(day - 1).ok()?)
                .ok()
                .filter(|it| it.year() == year)?
        } else {
            let or = |part: Option<i64>, today: i8| match part {
                Some(part) => i8::try_from(part).ok(),
                None => Some(today),
            };
            let (month, day) = (or(self.month, today.month())?, or(self.day, today.day())?);
            let last = Date::new(year, month, 1).ok()?.days_in_month();
            // Only where the day was not in the text; a 31st that was must exist.
            let day = if self.day.is_none() { day.min(last) } else { day };
            Date::new(year, month, day).ok()?
        };
        self.weekday.is_none_or(|it| it == date.weekday()).then_some(date)
    }

    fn time(&self) -> Option<Time> {
        if let Some(nano) = self.nano_of_day {
            let part = |unit: i64, size: i64| i8::try_from(nano / unit % size).ok();
            return Time::new(
                part(3_600_000_000_000, 24)?,
                part(60_000_000_000, 60)?,
                part(1_000_000_000, 60)?,
                i32::try_from(nano % 1_000_000_000).ok()?,
            )
            .ok();
        }
        let hour = match (self.hour, self.hour_of_half) {
            (Some(hour), _) => hour,
            (None, Some(hour)) => hour % 12 + if self.afternoon == Some(true) { 12 } else { 0 },
            (None, None) => 0,
        };
        let small = |part: Option<i64>| i8::try_from(part.unwrap_or(0)).ok();
        Time::new(
            i8::try_from(hour).ok()?,
            small(self.minute)?,
            small(self.second)?,
            i32::try_from(self.nano.unwrap_or(0)).ok()?,
        )
        .ok()
    }
}
