//! Which browser, system or device says what of itself. Pure.

use pipeline::ProcessError;

use crate::parts::Pattern;

/// What is not known.
const OTHER: &str = "Other";

/// What is known of one text.
#[derive(Debug, PartialEq)]
pub(super) struct Agent {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) os: &'static str,
    pub(super) os_version: String,
    pub(super) device: String,
}

/// A name, and the pattern of those who have it; its first group is the version. The first that
/// matches counts, so what pretends to be another comes before it.
type Rule = (&'static str, &'static str);

const ROBOTS: &str = r"(?i)\b((?:google|bing|yandex|duckduck|apple|ahrefs|semrush|twitter|linkedin|petal|gpt|claude|mj12|dot|slack)bot|baiduspider|facebookexternalhit)(?:-\w+)?(?:/(\d+(?:\.\d+)*))?";

const BROWSERS: [Rule; 31] = [
    ("Edge Mobile", r"\bEdg(?:A|iOS)/([\d.]+)"),
    ("Edge", r"\bEdg(?:e)?/([\d.]+)"),
    ("Opera Mini", r"\bOpera Mini/([\d.]+)"),
    ("Opera Mobile", r"Android.*\bOPR/([\d.]+)"),
    ("Opera", r"\b(?:OPR|Opera)/([\d.]+)"),
    ("Samsung Internet", r"\bSamsungBrowser/([\d.]+)"),
    ("Yandex Browser", r"\bYaBrowser/([\d.]+)"),
    ("UC Browser", r"\bUCBrowser/([\d.]+)"),
    ("Vivaldi", r"\bVivaldi/([\d.]+)"),
    ("Firefox iOS", r"\bFxiOS/([\d.]+)"),
    ("Firefox Mobile", r"(?:Mobile|Tablet);.*\bFirefox/([\d.]+)"),
    ("Firefox", r"\bFirefox/([\d.]+)"),
    ("Chrome Mobile iOS", r"\bCriOS/([\d.]+)"),
    ("HeadlessChrome", r"\bHeadlessChrome/([\d.]+)"),
    ("Chrome Mobile WebView", r"; wv\).*\bChrome/([\d.]+)"),
    ("Chrome Mobile", r"\bChrome/([\d.]+) Mobile\b"),
    ("Chrome", r"\bChrome/([\d.]+)"),
    ("Android", r"Android.*\bVersion/([\d.]+).*Safari/"),
    ("Mobile Safari", r"(?:iPhone|iPad|iPod).*\bVersion/([\d.]+).*Safari/"),
    ("Mobile Safari UI/WKWebView", r"(?:iPhone|iPad|iPod).*AppleWebKit/()"),
    ("Safari", r"\bVersion/([\d.]+).*Safari/"),
    ("IE", r"\bMSIE ([\d.]+)"),
    ("IE", r"\bTrident/.*\brv:([\d.]+)"),
    ("curl", r"^curl/([\d.]+)"),
    ("Wget", r"^Wget/([\d.]+)"),
    ("Python Requests", r"\bpython-requests/([\d.]+)"),
    ("Go-http-client", r"\bGo-http-client/([\d.]+)"),
    ("okhttp", r"\bokhttp/([\d.]+)"),
    ("PostmanRuntime", r"\bPostmanRuntime/([\d.]+)"),
    ("axios", r"\baxios/([\d.]+)"),
    ("Apache-HttpClient", r"\bApache-HttpClient/([\d.]+)"),
];

const SYSTEMS: [Rule; 9] = [
    ("Windows", r"\bWindows NT ([\d.]+)"),
    ("iOS", r"\b(?:CPU )?(?:iPhone )?OS ([\d_]+) like Mac OS X"),
    ("Mac OS X", r"\bMac OS X ([\d_.]+)"),
    ("Mac OS X", r"\bMacintosh()"),
    ("Android", r"\bAndroid ([\d.]+)"),
    ("Android", r"\bAndroid()"),
    ("Chrome OS", r"\bCrOS \w+ ([\d.]+)"),
    ("Ubuntu", r"\bUbuntu(?:/([\d.]+))?"),
    ("Linux", r"\bLinux()"),
];

/// What Windows is called, by the number it gives.
const WINDOWS: [(&str, &str); 7] = [
    ("10.0", "10"),
    ("6.3", "8.1"),
    ("6.2", "8"),
    ("6.1", "7"),
    ("6.0", "Vista"),
    ("5.2", "XP"),
    ("5.1", "XP"),
];

const DEVICES: [Rule; 4] =
    [("iPhone", "iPhone()"), ("iPad", "iPad()"), ("iPod", "iPod()"), ("Mac", "Macintosh()")];

const ANDROID_MODEL: &str =
    r"Android[^;)]*;(?: [a-z]{2}[-_][A-Za-z]{2};)? ([^;)]+?)(?: Build/[^;)]*)?(?:; wv)?\)";

/// How many parts of a version are told.
const VERSION_PARTS_MAX: usize = 3;

/// All rules, compiled.
pub(super) struct Rules {
    robots: Pattern,
    browsers: Vec<(&'static str, Pattern)>,
    systems: Vec<(&'static str, Pattern)>,
    devices: Vec<(&'static str, Pattern)>,
    android_model: Pattern,
}

impl Rules {
    pub(super) fn new() -> Result<Rules, String> {
        let compiled = |rules: &[Rule]| -> Result<Vec<_>, String> {
            rules.iter().map(|(name, it)| Ok((*name, Pattern::new(it)?))).collect()
        };
        Ok(Rules {
            robots: Pattern::new(ROBOTS)?,
            browsers: compiled(&BROWSERS)?,
            systems: compiled(&SYSTEMS)?,
            devices: compiled(&DEVICES)?,
            android_model: Pattern::new(ANDROID_MODEL)?,
        })
    }

    pub(super) fn recognise(&self, text: &str) -> Result<Agent, ProcessError> {
        let robot = self.robots.groups(text)?;
        let (name, version) = match &robot {
            Some(groups) => {
                let group = |n: usize| groups.get(n).copied().flatten().unwrap_or_default();
                (group(1), group(2))
            }
            None => first(&self.browsers, text)?,
        };
        let (os, os_version) = first(&self.systems, text)?;
        let os_version =
            match WINDOWS.iter().find(|(number, _)| os == "Windows" && *number == os_version) {
                Some((_, name)) => (*name).to_owned(),
                None => parts(os_version),
            };
        let device = match robot {
            Some(_) => "Spider".to_owned(),
            None => self.device(text)?,
        };
        Ok(Agent { name: name.to_owned(), version: parts(version), os, os_version, device })
    }

    fn device(&self, text: &str) -> Result<String, ProcessError> {
        if let Some(groups) = self.android_model.groups(text)?
            && let Some(Some(model)) = groups.get(1)
        {
            let is_samsung = model.starts_with("SM-");
            return Ok(if is_samsung { format!("Samsung {model}") } else { (*model).to_owned() });
        }
        first(&self.devices, text).map(|(name, _)| name.to_owned())
    }
}

/// The first rule that matches, and its version.
fn first<'a>(
    rules: &[(&'static str, Pattern)],
    text: &'a str,
) -> Result<(&'static str, &'a str), ProcessError> {
    for (name, pattern) in rules {
        if let Some(groups) = pattern.groups(text)? {
            return Ok((name, groups.get(1).copied().flatten().unwrap_or_default()));
        }
    }
    Ok((OTHER, ""))
}

fn parts(version: &str) -> String {
    let parts = version.split(['.', '_']).filter(|it| !it.is_empty());
    parts.take(VERSION_PARTS_MAX).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_ones_are_known() {
        const MOZILLA: &str = "Mozilla/5.0";
        let rules = Rules::new().unwrap();
        for (rest, expected) in [
            (
                "(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.6099.71 Safari/537.36",
                "Chrome 120.0.6099 | Windows 10 | Other",
            ),
            (
                "(Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Edg/120.0.2210.61",
                "Edge 120.0.2210 | Windows 10 | Other",
            ),
            (
                "(Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.1 Safari/605.1.15",
                "Safari 17.1 | Mac OS X 10.15.7 | Mac",
            ),
            (
                "(X11; Ubuntu; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0",
                "Firefox 120.0 | Ubuntu  | Other",
            ),
            (
                "(Linux; Android 13; SM-S908B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/112.0.0.0 Mobile Safari/537.36",
                "Chrome Mobile 112.0.0 | Android 13 | Samsung SM-S908B",
            ),
            (
                "(Linux; Android 10; Pixel 3 Build/QQ3A; wv) AppleWebKit/537.36 Version/4.0 Chrome/100.0.1 Mobile Safari/537.36",
                "Chrome Mobile WebView 100.0.1 | Android 10 | Pixel 3",
            ),
            (
                "(iPad; CPU OS 16_6 like Mac OS X) AppleWebKit/605.1.15 CriOS/119.0.1 Mobile/15E148 Safari/604.1",
                "Chrome Mobile iOS 119.0.1 | iOS 16.6 | iPad",
            ),
            (
                "(compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                "Googlebot 2.1 | Other  | Spider",
            ),
            ("(Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko", "IE 11.0 | Windows 7 | Other"),
        ] {
            let agent = rules.recognise(&format!("{MOZILLA} {rest}")).unwrap();
            let Agent { name, version, os, os_version, device } = agent;
            assert_eq!(
                format!("{name} {version} | {os} {os_version} | {device}"),
                expected,
                "{rest}"
            );
        }
        let curl = rules.recognise("curl/8.4.0").unwrap();
        assert_eq!((curl.name.as_str(), curl.version.as_str()), ("curl", "8.4.0"));
    }
}
