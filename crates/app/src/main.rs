//! The program `streamdex`.
fn main() {}
