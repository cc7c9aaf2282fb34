//! The part of STS that SDKs call before they call DynamoDB: roles that anyone may assume. Pure.

use std::collections::BTreeMap;

use super::{request::Caller, timestamp};

/// How long temporary credentials are said to last.
const CREDENTIALS_MS: u64 = 60 * 60 * 1000;

/// An answer of STS: status and XML.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) xml: String,
}

/// Answers a request, given as a form.
pub(crate) fn answer(form: &[u8], caller: &Caller, now_ms: u64, request_id: &str) -> Answer {
    let form = fields(form);
    let field = |name: &str| form.get(name).map(String::as_str);
    let action = field("Action").unwrap_or_default();
    let result = match action {
        "GetCallerIdentity" => Ok(format!(
            "<Arn>arn:aws:iam::{account}:root</Arn><UserId>{account}</UserId><Account>{account}</Account>",
            account = caller.account
        )),
        "AssumeRole" | "AssumeRoleWithWebIdentity" => match field("RoleArn") {
            None => Err((
                "ValidationError",
                "Value null at 'roleArn' failed to satisfy constraint: Member must not be null",
            )),
            Some(role) => Ok(assumed(role, field("RoleSessionName").unwrap_or("session"), now_ms)),
        },
        _ => Err((
            "InvalidAction",
            "this endpoint knows AssumeRole, AssumeRoleWithWebIdentity and GetCallerIdentity",
        )),
    };
    let xmlns = r#"xmlns="https://sts.amazonaws.com/doc/2011-06-15/""#;
    match result {
        Ok(result) => Answer {
            status: 200,
            xml: format!(
                "<{action}Response {xmlns}><{action}Result>{result}</{action}Result><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{action}Response>"
            ),
        },
        Err((code, message)) => Answer {
            status: 400,
            xml: format!(
                "<ErrorResponse {xmlns}><Error><Type>Sender</Type><Code>{code}</Code><Message>{}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>",
                escaped(message)
            ),
        },
    }
}

fn assumed(role: &str, session: &str, now_ms: u64) -> String {
    let (role, session) = (escaped(role), escaped(session));
    let account = role.split(':').nth(4).unwrap_or_default();
    let name = role.rsplit('/').next().unwrap_or_default();
    let expiration = timestamp::label(now_ms + CREDENTIALS_MS);
    // Nobody checks them; they only have to look like credentials.
    format!(
        "<Credentials><AccessKeyId>ASIALOCALLOCALLOCAL0</AccessKeyId><SecretAccessKey>localLocalLocalLocalLocalLocalLocalLocal</SecretAccessKey><SessionToken>local</SessionToken><Expiration>{expiration}Z</Expiration></Credentials><AssumedRoleUser><AssumedRoleId>AROALOCALLOCALLOCAL00:{session}</AssumedRoleId><Arn>arn:aws:sts::{account}:assumed-role/{name}/{session}</Arn></AssumedRoleUser>"
    )
}

/// The fields of a form. What is sent twice counts once.
fn fields(form: &[u8]) -> BTreeMap<String, String> {
    form.split(|it| *it == b'&')
        .filter_map(|pair| {
            let at = pair.iter().position(|it| *it == b'=')?;
            Some((decoded(&pair[..at]), decoded(&pair[at + 1..])))
        })
        .collect()
}

fn decoded(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let code = tail.get(..2).and_then(|it| std::str::from_utf8(it).ok());
        match (first, code.and_then(|it| u8::from_str_radix(it, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                rest = &tail[2..];
            }
            (b'+', _) => out.push(b' '),
            (byte, _) => out.push(*byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_can_be_assumed() {
        let caller = Caller {
            region: "us-east-1".to_owned(),
            account: "123456789012".to_owned(),
            access_key: String::new(),
        };
        for (form, status, expected) in [
            ("Action=GetCallerIdentity&Version=2011-06-15", 200, "<Account>123456789012</Account>"),
            (
                "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Fpath%2FPipe&RoleSessionName=a%3Cb",
                200,
                "<Arn>arn:aws:sts::111122223333:assumed-role/Pipe/a&lt;b</Arn>",
            ),
            (
                "Action=AssumeRoleWithWebIdentity&RoleArn=arn:aws:iam::1:role/x",
                200,
                "<Expiration>1970-01-01T01:00:00.000Z",
            ),
            ("Action=AssumeRole", 400, "<Code>ValidationError</Code>"),
            ("Action=Nope&x=%zz", 400, "<Code>InvalidAction</Code>"),
            ("", 400, "<Code>InvalidAction</Code>"),
        ] {
            let answer = answer(form.as_bytes(), &caller, 0, "id");
            assert_eq!(answer.status, status, "{form}");
            assert!(answer.xml.contains(expected), "{form}: {}", answer.xml);
        }
    }
}
