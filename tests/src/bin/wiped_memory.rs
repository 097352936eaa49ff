//! A process that keeps keys and a store, with the allocator of the command line: what is freed
//! is wiped.

use zeroizing_alloc::ZeroAlloc;

#[global_allocator]
static ALLOCATOR: ZeroAlloc<std::alloc::System> = ZeroAlloc(std::alloc::System);

fn main() {
    escrowdb_tests::child::run();
}
