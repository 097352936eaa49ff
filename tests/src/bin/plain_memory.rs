//! A process that keeps keys and a store, with the system's allocator: what is freed stays.

fn main() {
    escrowdb_tests::child::run();
}
