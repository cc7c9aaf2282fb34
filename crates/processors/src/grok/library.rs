//! The patterns that are there without being defined, by the names Logstash gave them. Pure.

use std::collections::HashMap;

/// On each line a name, a space and a pattern.
const PATTERNS: &str = r#"
USERNAME [a-zA-Z0-9._-]+
USER %{USERNAME}
EMAILLOCALPART [a-zA-Z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}
EMAILADDRESS %{EMAILLOCALPART}@%{HOSTNAME}
INT [+-]?[0-9]+
BASE10NUM (?<![0-9.+-])[+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)
NUMBER %{BASE10NUM}
BASE16NUM (?<![0-9A-Fa-f])[+-]?(?:0x)?[0-9A-Fa-f]+
BASE16FLOAT \b(?<![0-9A-Fa-f.])[+-]?(?:0x)?(?:[0-9A-Fa-f]+(?:\.[0-9A-Fa-f]*)?|\.[0-9A-Fa-f]+)\b
POSINT \b[1-9][0-9]*\b
NONNEGINT \b[0-9]+\b
BOOL true|false|TRUE|FALSE|True|False
WORD \b\w+\b
NOTSPACE \S+
SPACE \s*
DATA .*?
GREEDYDATA .*
QUOTEDSTRING "(?:\\.|[^\\"])*"|'(?:\\.|[^\\'])*'|`(?:\\.|[^\\`])*`
QS %{QUOTEDSTRING}
UUID [A-Fa-f0-9]{8}-(?:[A-Fa-f0-9]{4}-){3}[A-Fa-f0-9]{12}
URN urn:[0-9A-Za-z][0-9A-Za-z-]{0,31}:[0-9A-Za-z()+,.:=@;$_!*'/?#%-]+
MAC %{CISCOMAC}|%{WINDOWSMAC}|%{COMMONMAC}
CISCOMAC (?:[A-Fa-f0-9]{4}\.){2}[A-Fa-f0-9]{4}
WINDOWSMAC (?:[A-Fa-f0-9]{2}-){5}[A-Fa-f0-9]{2}
COMMONMAC (?:[A-Fa-f0-9]{2}:){5}[A-Fa-f0-9]{2}
IPV4OCTET 25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9]
IPV4 (?<![0-9.])(?:(?:%{IPV4OCTET})\.){3}(?:%{IPV4OCTET})(?![0-9]|\.[0-9])
H16 [0-9A-Fa-f]{1,4}
IPV6 (?<![0-9A-Fa-f:])(?:(?:%{H16}:){7}%{H16}|(?:%{H16}:){6}%{IPV4}|(?:%{H16}(?::%{H16}){0,6})?::(?:%{H16}:){0,6}(?:%{IPV4}|%{H16})?)(?:%[0-9A-Za-z]+)?(?![0-9A-Fa-f:])
IP %{IPV6}|%{IPV4}
HOSTNAME \b[0-9A-Za-z](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z])?(?:\.[0-9A-Za-z](?:[0-9A-Za-z_-]{0,61}[0-9A-Za-z])?)*\.?(?![0-9A-Za-z_])
HOST %{HOSTNAME}
IPORHOST %{IP}|%{HOSTNAME}
HOSTPORT %{IPORHOST}:%{POSINT}
PATH %{UNIXPATH}|%{WINPATH}
UNIXPATH (?:/[\w%!$@:.,+~=#-]*)+
TTY /dev/(?:pts|tty[a-z]?)/?[0-9]*
WINPATH (?:[A-Za-z]+:|\\)(?:\\[^\\?*]*)+
URIPROTO [A-Za-z][A-Za-z0-9+.-]*
URIHOST %{IPORHOST}(?::%{POSINT})?
URIPATH (?:/[A-Za-z0-9$.+!*'(){},~:;=@#%&_-]*)+
URIPARAM \?[A-Za-z0-9$.+!*'|(){},~@#%&/=:;_?\[\]<>-]*
URIPATHPARAM %{URIPATH}(?:%{URIPARAM})?
URI %{URIPROTO}://(?:%{USER}(?::[^@]*)?@)?(?:%{URIHOST})?(?:%{URIPATHPARAM})?
MONTH \b(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:t|tember)?|Oct(?:ober)?|Nov(?:ember)?|Dec(?:ember)?)\b
MONTHNUM 1[0-2]|0?[1-9]
MONTHNUM2 1[0-2]|0[1-9]
MONTHDAY 3[01]|[12][0-9]|0?[1-9]
DAY \b(?:Mon(?:day)?|Tue(?:sday)?|Wed(?:nesday)?|Thu(?:rsday)?|Fri(?:day)?|Sat(?:urday)?|Sun(?:day)?)\b
YEAR [0-9]{4}|[0-9]{2}
HOUR 2[0123]|[01]?[0-9]
MINUTE [0-5][0-9]
SECOND (?:[0-5]?[0-9]|60)(?:[:.,][0-9]+)?
TIME (?<![0-9])(?:%{HOUR}):(?:%{MINUTE})(?::(?:%{SECOND}))?(?![0-9])
DATE_US (?:%{MONTHNUM})[/-](?:%{MONTHDAY})[/-](?:%{YEAR})
DATE_EU (?:%{MONTHDAY})[./-](?:%{MONTHNUM})[./-](?:%{YEAR})
ISO8601_TIMEZONE Z|[+-](?:%{HOUR})(?::?(?:%{MINUTE}))
ISO8601_SECOND %{SECOND}
TIMESTAMP_ISO8601 (?:%{YEAR})-(?:%{MONTHNUM})-(?:%{MONTHDAY})[T ](?:%{HOUR}):?(?:%{MINUTE})(?::?(?:%{SECOND}))?(?:%{ISO8601_TIMEZONE})?
DATE %{DATE_US}|%{DATE_EU}
DATESTAMP %{DATE}[- ]%{TIME}
TZ [A-Z]{3,4}
DATESTAMP_RFC822 %{DAY} %{MONTH} (?:%{MONTHDAY}) (?:%{YEAR}) %{TIME} %{TZ}
DATESTAMP_RFC2822 %{DAY}, (?:%{MONTHDAY}) %{MONTH} (?:%{YEAR}) %{TIME} (?:%{ISO8601_TIMEZONE})
DATESTAMP_OTHER %{DAY} %{MONTH} (?:%{MONTHDAY}) %{TIME} %{TZ} (?:%{YEAR})
DATESTAMP_EVENTLOG (?:%{YEAR})(?:%{MONTHNUM2})(?:%{MONTHDAY})(?:%{HOUR})(?:%{MINUTE})(?:%{SECOND})
HTTPDATE (?:%{MONTHDAY})/%{MONTH}/(?:%{YEAR}):%{TIME} %{INT}
HTTPDERROR_DATE %{DAY} %{MONTH} (?:%{MONTHDAY}) %{TIME} (?:%{YEAR})
SYSLOGTIMESTAMP %{MONTH} +(?:%{MONTHDAY}) %{TIME}
PROG [\x21-\x5a\x5c\x5e-\x7e]+
SYSLOGPROG %{PROG:program}(?:\[%{POSINT:pid}\])?
SYSLOGHOST %{IPORHOST}
SYSLOGFACILITY <%{NONNEGINT:facility}.%{NONNEGINT:priority}>
SYSLOGBASE %{SYSLOGTIMESTAMP:timestamp} (?:%{SYSLOGFACILITY} )?%{SYSLOGHOST:logsource} %{SYSLOGPROG}:
SYSLOGLINE %{SYSLOGBASE} %{GREEDYDATA:message}
LOGLEVEL [Aa]lert|ALERT|[Tt]race|TRACE|[Dd]ebug|DEBUG|[Nn]otice|NOTICE|[Ii]nfo(?:rmation)?|INFO(?:RMATION)?|[Ww]arn(?:ing)?|WARN(?:ING)?|[Ee]rr(?:or)?|ERR(?:OR)?|[Cc]rit(?:ical)?|CRIT(?:ICAL)?|[Ff]atal|FATAL|[Ss]evere|SEVERE|[Ee]merg(?:ency)?|EMERG(?:ENCY)?
HTTPDUSER %{EMAILADDRESS}|%{USER}
COMMONAPACHELOG %{IPORHOST:clientip} %{HTTPDUSER:ident} %{HTTPDUSER:auth} \[%{HTTPDATE:timestamp}\] "(?:%{WORD:verb} %{NOTSPACE:request}(?: HTTP/%{NUMBER:httpversion})?|%{DATA:rawrequest})" (?:%{NUMBER:response}|-) (?:%{NUMBER:bytes}|-)
COMBINEDAPACHELOG %{COMMONAPACHELOG} %{QS:referrer} %{QS:agent}
HTTPD_COMMONLOG %{COMMONAPACHELOG}
HTTPD_COMBINEDLOG %{COMBINEDAPACHELOG}
JAVACLASS (?:[a-zA-Z$_][a-zA-Z$_0-9]*\.)*[a-zA-Z$_][a-zA-Z$_0-9]*
JAVAFILE [a-zA-Z$_0-9. -]+
JAVAMETHOD <init>|<clinit>|[a-zA-Z$_][a-zA-Z$_0-9]*
JAVASTACKTRACEPART \s*at %{JAVACLASS:class}\.%{JAVAMETHOD:method}\(%{JAVAFILE:file}(?::%{INT:line})?\)
"#;

/// All of them.
pub(super) fn patterns() -> HashMap<String, String> {
    let mut library = HashMap::new();
    add_all(PATTERNS, &mut library);
    library
}

/// Adds the patterns of a file: on each line a name, white space and a pattern; `#` begins a comment.
pub(super) fn add_all(text: &str, library: &mut HashMap<String, String>) {
    for line in text.lines().filter(|line| !line.trim_start().starts_with('#')) {
        if let Some((name, pattern)) = line.trim_start().split_once([' ', '\t']) {
            library.insert(name.to_owned(), pattern.trim().to_owned());
        }
    }
}
