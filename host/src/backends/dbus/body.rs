//! Bodies of messages, with the signature as it stands in the header.
//!
//! zbus reads a signature into a tree in which a lone structure and its fields side by side are the same: `(ss)` and `ss` would be
//! confused, in both directions. Their bytes are the same too, but not what they mean.

use zbus::Message;

use super::value::{Order, Secrets, Signature, ValueError, to_json};

/// The code of the header field that holds the body's signature (D-Bus specification, "Header Fields").
const SIGNATURE: u8 = 8;

/// Signature and values of a message's body.
pub(super) fn body_of(
    message: &Message,
    largest: usize,
    secrets: &dyn Secrets,
) -> Result<(String, String), Box<ValueError>> {
    let bytes = signature_of(message).unwrap_or_default();
    let values = to_json(
        Signature::parse(bytes)?,
        message.body().data(),
        order_of(message),
        largest,
        secrets,
    )?;
    Ok((String::from_utf8_lossy(bytes).into_owned(), values))
}

/// The signature for zbus's builder, which leaves the outermost brackets out.
pub(super) fn for_builder(signature: Signature<'_>) -> Result<zbus::Signature, zbus::Error> {
    let parsed = zbus::Signature::from_bytes(signature.codes())?;
    Ok(match signature.codes().first() {
        Some(b'(') if signature.count() == 1 => zbus::Signature::structure([parsed]),
        _ => parsed,
    })
}

fn order_of(message: &Message) -> Order {
    match message.primary_header().endian_sig() {
        zbus::message::EndianSig::Little => Order::Little,
        zbus::message::EndianSig::Big => Order::Big,
    }
}

/// Finds the signature in the header's array of `(yv)`, which zbus has checked already. Every field's value is of type `u`, `g`, `s` or
/// `o`.
fn signature_of(message: &Message) -> Option<&[u8]> {
    let bytes: &[u8] = message.data();
    let number = |at: usize| -> Option<usize> {
        let four = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(match order_of(message) {
            Order::Little => u32::from_le_bytes(four),
            Order::Big => u32::from_be_bytes(four),
        } as usize)
    };
    // The fixed part of the header is 12 bytes, the length of the array 4.
    let end = 16 + number(12)?;
    let mut at = 16_usize;
    while at < end {
        at = at.next_multiple_of(8);
        let [code, 1, kind, 0] = *bytes.get(at..at + 4)? else {
            return None;
        };
        at += 4;
        at += match kind {
            b'u' => 4,
            b'g' => {
                let size = usize::from(*bytes.get(at)?);
                if code == SIGNATURE {
                    return bytes.get(at + 1..at + 1 + size);
                }
                size + 2
            }
            _ => 4 + number(at)? + 1,
        };
    }
    None
}
