//! A network to watch: a chain, five neurons that teach each other, and a report.

fn main() {}
