//! A bridge with ports in Open vSwitch's database, in one transaction and nothing else: the limit.

use std::fmt::Write as _;
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::unix::net::UnixStream;

/// Makes a bridge `br0` with the ports `p0` and up; with `wait` until ovs-vswitchd has carried it out.
pub fn bridge(remote: &str, count: u32, wait: bool) -> Result<()> {
    let path = remote.strip_prefix("unix:").unwrap_or(remote);
    let mut stream = UnixStream::connect(path)?;
    let mut request = String::from(r#"{"id":0,"method":"transact","params":["Open_vSwitch""#);
    let mut ports = String::new();
    let names =
        std::iter::once("br0".to_owned()).chain((0..count).map(|number| format!("p{number}")));
    for (number, name) in names.enumerate() {
        let kind = if number == 0 { "internal" } else { "" };
        _ = write!(
            request,
            r#",{{"op":"insert","table":"Interface","uuid-name":"i{number}","row":{{"name":"{name}","type":"{kind}"}}}},
            {{"op":"insert","table":"Port","uuid-name":"n{number}","row":{{"name":"{name}","interfaces":["named-uuid","i{number}"]}}}}"#
        );
        _ = write!(
            ports,
            r#"{}["named-uuid","n{number}"]"#,
            if number == 0 { "" } else { "," }
        );
    }
    _ = write!(
        request,
        r#",{{"op":"insert","table":"Bridge","uuid-name":"b","row":{{"name":"br0","datapath_type":"netdev","ports":["set",[{ports}]]}}}},
        {{"op":"mutate","table":"Open_vSwitch","where":[],"mutations":[["bridges","insert",["named-uuid","b"]],["next_cfg","+=",1]]}},
        {{"op":"select","table":"Open_vSwitch","where":[],"columns":["next_cfg"]}}]}}"#
    );
    let answer = call(&mut stream, &request)?;
    if !wait {
        return Ok(());
    }
    let wanted = answer
        .split("\"next_cfg\":")
        .nth(1)
        .and_then(|rest| rest.split(['}', ',']).next());
    let wanted = wanted.ok_or_else(|| refused(&answer))?;
    call(
        &mut stream,
        &format!(
            r#"{{"id":1,"method":"transact","params":["Open_vSwitch",{{"op":"wait","table":"Open_vSwitch","where":[],"columns":["cur_cfg"],
            "until":"==","rows":[{{"cur_cfg":{wanted}}}],"timeout":60000}}]}}"#
        ),
    )?;
    Ok(())
}

fn refused(answer: &str) -> Error {
    Error::new(ErrorKind::InvalidData, answer.to_owned())
}

/// Sends a request and reads its answer, which has no brackets in strings.
fn call(stream: &mut UnixStream, request: &str) -> Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut depth = 0;
    let mut piece = vec![0; 1 << 16];
    loop {
        let count = stream.read(&mut piece)?;
        if count == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        for byte in &piece[..count] {
            depth += i32::from(*byte == b'{') - i32::from(*byte == b'}');
        }
        answer.extend_from_slice(&piece[..count]);
        if depth == 0 {
            break;
        }
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    if answer.contains("\"error\":\"") || answer.contains("\"details\"") {
        return Err(refused(&answer));
    }
    Ok(answer)
}
