//! A function in every respect, against the worker in memory.

use shoal::state::Key;
use shoal::{chain, test, Error, Output};

fn echo(input: &[u8]) -> Output {
    Ok(input.to_vec())
}

fn fail(_: &[u8]) -> Output {
    Err("no such word".into())
}

fn parent(input: &[u8]) -> Output {
    let first = chain::call("echo", input)?;
    let second = chain::call("echo", b"!")?;
    Ok([first.output()?, second.output()?, shoal::input()].concat())
}

fn prepare() {}

shoal::handler!(parent, init = prepare);
shoal::restored!(prepare);

#[test]
fn input_and_output() {
    for input in [&b""[..], b"hello", b"a\0b\xff"] {
        assert_eq!(test::call(echo, input).unwrap(), input);
    }
    assert_eq!(test::call(fail, b"").unwrap_err().to_string(), "no such word");
    shoal::output(b"one");
    shoal::output(b"two");
    assert_eq!(test::output(), b"two");
}

#[test]
fn chained_calls() {
    test::chain("echo", echo);
    test::chain("fail", fail);
    assert_eq!(test::call(parent, b"hi").unwrap(), b"hi!hi"); // the input is the parent's again after its children
    assert_eq!(chain::call("echo", b"").unwrap().wait(), Ok(()));
    assert_eq!(chain::call("fail", b"").unwrap().wait(), Err(Error::Failed(1)));
    assert_eq!(chain::call("fail", b"").unwrap().output(), Err(Error::Failed(1)));
    assert_eq!(chain::call("a\0b", b"").unwrap_err(), Error::Name("a\0b".to_string()));
}

#[test]
#[should_panic(expected = "no function nobody")]
fn a_function_that_is_not_registered() {
    let _ = chain::call("nobody", b"");
}

#[test]
fn state() {
    let key = Key::new("k").unwrap();
    assert_eq!(key.size(), Ok(0));
    assert_eq!(key.read().unwrap(), b"");
    let lock = key.lock();
    key.write(b"0123456789");
    key.write_at(10, 2, b"ab");
    key.push();
    drop(lock);
    key.pull(10);
    assert_eq!(key.size(), Ok(10));
    assert_eq!(key.read().unwrap(), b"01ab456789");
    let mut part = [0; 3];
    key.read_at(10, 3, &mut part);
    assert_eq!(&part, b"b45");
    assert_eq!(test::value("k").unwrap(), b"01ab456789");
    test::set_value("k", b"new");
    assert_eq!(key.read().unwrap(), b"new");

    key.append(b"one");
    key.append(b"two");
    assert_eq!(key.read_appended(2, 6), b"onetwo");
    assert_eq!(key.read_appended(1, 3), b"one");
    key.clear_appended();
    assert_eq!(key.read_appended(0, 0), b"");
    drop((key.lock_shared(), key.lock_global()));
    assert!(Key::new("a\0").is_err());
}
