use shoal::{chain, state::Key, Error};

shoal::handler!(handle);

fn handle(input: &[u8]) -> shoal::Output {
    let first = chain::call("upper", input)?;
    let second = chain::call("upper", b"!x")?.output()?;
    let mut out = first.output()?;
    out.extend(second);
    match chain::call("fail", b"")?.wait() {
        Err(Error::Failed(code)) => out.extend(code.to_string().bytes()),
        other => return Err(format!("{:?}", other).into()),
    }
    let (key, list) = (Key::new("k")?, Key::new("l")?);
    let lock = key.lock();
    key.write(b"0123456789");
    key.write_at(10, 2, b"ab");
    key.push();
    key.pull(10);
    let mut part = [0; 3];
    key.read_at(10, 3, &mut part);
    list.append(b"one");
    list.append(b"two");
    drop(lock);
    out.extend(key.read()?);
    out.extend(part);
    out.extend(list.read_appended(2, 6));
    list.clear_appended();
    Ok(out)
}
