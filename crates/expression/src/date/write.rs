//! One part of a date, written as `java.time` writes it in American English. Pure.

use std::fmt::Write;

use jiff::{Zoned, civil::Date, civil::Weekday, tz::Offset};

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// From Sunday, with which a week begins in America.
const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Writes what `letter`, standing `n` times in a row, stands for.
pub(super) fn field(letter: char, n: usize, at: &Zoned, out: &mut String) {
    let (date, time) = (at.date(), at.time());
    let (hour, year) = (i64::from(at.hour()), i64::from(at.year()));
    match letter {
        'u' | 'y' => written_year(year, n, out),
        'Y' => written_year(week_of(date).0, n, out),
        'G' => out.push_str(["AD", "AD", "AD", "Anno Domini", "A"][(n - 1).min(4)]),
        'M' | 'L' => named(i64::from(date.month()), n, MONTHS[index(date.month()) - 1], out),
        'Q' | 'q' => quarter(i64::from((date.month() - 1) / 3 + 1), n, out),
        'D' => padded(i64::from(date.day_of_year()), n, out),
        'd' => padded(i64::from(date.day()), n, out),
        'w' => padded(week_of(date).1, n, out),
        'W' => padded(week_of_month(date), n, out),
        'F' => padded(i64::from((date.day() - 1) % 7 + 1), n, out),
        'E' => named(0, n.max(3), DAYS[day_index(date)], out),
        'e' | 'c' => {
            let day = day_index(date);
            named(i64::try_from(day).unwrap_or(0) + 1, n, DAYS[day], out);
        }
        'a' => out.push_str(if hour < 12 { "AM" } else { "PM" }),
        'H' => padded(hour, n, out),
        'k' => padded(if hour == 0 { 24 } else { hour }, n, out),
        'K' => padded(hour % 12, n, out),
        'h' => padded(if hour % 12 == 0 { 12 } else { hour % 12 }, n, out),
        'm' => padded(i64::from(time.minute()), n, out),
        's' => padded(i64::from(time.second()), n, out),
        'S' => out.push_str(&format!("{:09}", time.subsec_nanosecond())[..n.min(9)]),
        'n' => padded(i64::from(time.subsec_nanosecond()), n, out),
        'N' => padded(nanosecond_of_day(at), n, out),
        'A' => padded(nanosecond_of_day(at) / 1_000_000, n, out),
        'V' => out.push_str(&zone_name(at)),
        'z' => out.push_str(at.time_zone().to_offset_info(at.timestamp()).abbreviation()),
        'O' if n < 4 => short_gmt(at.offset(), out),
        'O' => offset(at.offset(), "GMT", 3, "GMT", out),
        'X' => offset(at.offset(), "", n, "Z", out),
        'x' => offset(at.offset(), "", n, "", out),
        'Z' if n == 4 => offset(at.offset(), "GMT", 3, "GMT", out),
        'Z' if n == 5 => offset(at.offset(), "", 5, "Z", out),
        'Z' => offset(at.offset(), "", 2, "", out),
        _ => {}
    }
}

fn index(month: i8) -> usize {
    usize::try_from(month).unwrap_or(1)
}

fn padded(number: i64, width: usize, out: &mut String) {
    let _ = write!(out, "{number:0width$}");
}

fn written_year(year: i64, n: usize, out: &mut String) {
    if n == 2 {
        padded(year.rem_euclid(100), 2, out);
    } else {
        padded(year, n, out);
    }
}

/// A number with one or two letters, a short name with three, all of it with four, a letter with five.
fn named(number: i64, n: usize, name: &str, out: &mut String) {
    match n {
        1 | 2 => padded(number, n, out),
        3 => out.push_str(&name[..3]),
        4 => out.push_str(name),
        _ => out.push_str(&name[..1]),
    }
}

fn quarter(number: i64, n: usize, out: &mut String) {
    match n {
        3 => {
            let _ = write!(out, "Q{number}");
        }
        4 => {
            let ending = ["st", "nd", "rd", "th"][usize::try_from(number - 1).unwrap_or(3).min(3)];
            let _ = write!(out, "{number}{ending} quarter");
        }
        5 => padded(number, 1, out),
        _ => padded(number, n, out),
    }
}

/// Counted from Sunday, from 0.
fn day_index(date: Date) -> usize {
    usize::try_from(date.weekday().to_sunday_zero_offset()).unwrap_or(0)
}

/// The week and its year: weeks begin on Sunday, and the first is the one with January 1.
fn week_of(date: Date) -> (i64, i64) {
    let year = i64::from(date.year());
    let next_new_year = Date::new(date.year().saturating_add(1), 1, 1).ok();
    if let Some(new_year) = next_new_year {
        let n_days_to_go = (new_year - date).get_days();
        if n_days_to_go <= i32::from(new_year.weekday().to_sunday_zero_offset()) {
            return (year + 1, 1);
        }
    }
    (year, weeks_since(date.first_of_year(), i64::from(date.day_of_year())))
}

fn week_of_month(date: Date) -> i64 {
    weeks_since(date.first_of_month(), i64::from(date.day()))
}

/// In which week day `n` is, if `first` is in week 1.
fn weeks_since(first: Date, n: i64) -> i64 {
    (n - 1 + i64::from(first.weekday().since(Weekday::Sunday))) / 7 + 1
}

fn nanosecond_of_day(at: &Zoned) -> i64 {
    let seconds =
        i64::from(at.hour()) * 3600 + i64::from(at.minute()) * 60 + i64::from(at.second());
    seconds * 1_000_000_000 + i64::from(at.subsec_nanosecond())
}

fn zone_name(at: &Zoned) -> String {
    let name = at.time_zone().iana_name().map(str::to_owned);
    name.unwrap_or_else(|| {
        let mut name = String::new();
        offset(at.offset(), "", 3, "Z", &mut name);
        name
    })
}

fn short_gmt(offset: Offset, out: &mut String) {
    let (sign, hours, minutes, _) = parts(offset);
    out.push_str("GMT");
    let _ = match (hours, minutes) {
        (0, 0) => Ok(()),
        (hours, 0) => write!(out, "{sign}{hours}"),
        (hours, minutes) => write!(out, "{sign}{hours}:{minutes:02}"),
    };
}

/// `+08`, `+0800`, `+08:00`, and with seconds if there are any, for one to five letters; `zero` for
/// no offset at all, unless that is empty.
fn offset(offset: Offset, prefix: &str, n: usize, zero: &str, out: &mut String) {
    let (sign, hours, minutes, seconds) = parts(offset);
    if offset.seconds() == 0 && !zero.is_empty() {
        out.push_str(zero);
        return;
    }
    let colon = if n == 3 || n == 5 { ":" } else { "" };
    let _ = write!(out, "{prefix}{sign}{hours:02}");
    if 1 < n || minutes != 0 {
        let _ = write!(out, "{colon}{minutes:02}");
    }
    if 3 < n && seconds != 0 {
        let _ = write!(out, "{colon}{seconds:02}");
    }
}

fn parts(offset: Offset) -> (char, i32, i32, i32) {
    let size = offset.seconds().abs();
    let sign = if offset.seconds() < 0 { '-' } else { '+' };
    (sign, size / 3600, size / 60 % 60, size % 60)
}
