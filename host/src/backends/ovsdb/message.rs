//! The messages of JSON-RPC 1.0 as RFC 7047 section 4 uses them.
//!
//! Only the envelope is read here. Bodies stay text (`RawValue`) until somebody needs them: a reply of 64 MiB would
//! take ten times that as a tree.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A message from the server.
#[derive(Debug)]
pub enum Message {
    /// The answer to one of our requests (section 4.1).
    Reply {
        /// The request's id, as JSON text.
        id: Box<RawValue>,
        /// What was asked for, or the error in the server's own form.
        outcome: Result<Box<RawValue>, Box<RawValue>>,
    },
    /// A request by the server: `echo` (section 4.1.11) is the one that there is.
    Request {
        /// To be repeated in the reply.
        id: Box<RawValue>,
        /// What the server wants.
        method: String,
        /// With these parameters.
        params: Box<RawValue>,
    },
    /// A message that wants no answer: `update`, `locked`, `stolen` and their kin.
    Notification {
        /// What happened.
        method: String,
        /// To what.
        params: Box<RawValue>,
    },
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl Message {
    /// Reads one message.
    ///
    /// # Errors
    /// A sentence about what is wrong with it.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(text)
            .map_err(|error| format!("a message is not UTF-8: {error}"))?;
        let envelope: Envelope<'_> = serde_json::from_str(text)
            .map_err(|error| format!("a message is malformed: {error}"))?;
        let null = || RawValue::NULL.to_owned();
        match envelope {
            Envelope {
                method: Some(method),
                id,
                params,
                ..
            } => {
                let method = method.into_owned();
                let params = params.map_or_else(null, ToOwned::to_owned);
                Ok(match id {
                    Some(id) => Self::Request {
                        id: id.to_owned(),
                        method,
                        params,
                    },
                    None => Self::Notification { method, params },
                })
            }
            Envelope {
                id: Some(id),
                result,
                error,
                ..
            } => Ok(Self::Reply {
                id: id.to_owned(),
                outcome: match (error, result) {
                    (Some(error), _) => Err(error.to_owned()),
                    (None, result) => Ok(result.map_or_else(null, ToOwned::to_owned)),
                },
            }),
            Envelope {
                error: Some(error), ..
            } => {
                let error: String = error.get().chars().take(200).collect();
                Err(format!("the server could not read a message: {error}"))
            }
            _ => Err("a message is neither request nor reply".to_owned()),
        }
    }
}

/// A request of ours. `params` is JSON text.
pub fn request(id: u64, method: &str, params: &str) -> String {
    format!(
        r#"{{"id":{id},"method":{},"params":{params}}}"#,
        Value::from(method)
    )
}

/// The answer to a request of the server. `id` and `result` are JSON text.
pub fn reply(id: &str, result: &str) -> String {
    format!(r#"{{"id":{id},"result":{result},"error":null}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_replies_requests_and_notifications_apart() {
        let reply = Message::parse(br#"{"id":7,"result":[1],"error":null}"#).unwrap();
        assert!(
            matches!(reply, Message::Reply { id, outcome: Ok(result) } if id.get() == "7" && result.get() == "[1]")
        );
        let error = Message::parse(br#"{"id":7,"result":null,"error":"unknown method"}"#).unwrap();
        assert!(matches!(
            error,
            Message::Reply {
                outcome: Err(_),
                ..
            }
        ));
        let echo = Message::parse(br#"{"id":"echo","method":"echo","params":[]}"#).unwrap();
        assert!(matches!(echo, Message::Request { id, .. } if id.get() == "\"echo\""));
        let update =
            Message::parse(br#"{"id":null,"method":"update","params":[null,{}]}"#).unwrap();
        assert!(matches!(update, Message::Notification { method, .. } if method == "update"));
    }

    #[test]
    fn a_malformed_message_is_refused() {
        for text in [
            &br#"{"id":7,"id":8,"result":[]}"#[..],
            br#"{"id":7,"result":[}"#,
            b"{\"id\":7,\"result\":\"\xff\"}",
            br#"{}"#,
            br#"{"result":[]}"#,
            br#"{"method":7}"#,
        ] {
            assert!(Message::parse(text).is_err());
        }
    }
}
