//! A Shoal function that says hello to whoever its input names.

shoal::handler!(hello);

fn hello(input: &[u8]) -> shoal::Output {
    let name = match std::str::from_utf8(input)?.trim() {
        "" => "world",
        name => name,
    };
    Ok(format!("Hello, {}, from Rust!\n", name).into_bytes())
}

#[test]
fn greets() {
    assert_eq!(shoal::test::call(hello, b"Ada\n").unwrap(), b"Hello, Ada, from Rust!\n");
    assert_eq!(shoal::test::call(hello, b"").unwrap(), b"Hello, world, from Rust!\n");
    assert!(shoal::test::call(hello, b"\xff").is_err());
}
