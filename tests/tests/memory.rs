//! What reductions take of memory beside their arrays: a few tiles for each thread, however many points there are.

use keops_solve::Error;
use keops_solve::ndarray::{Array2, s};
use keops_solve::prelude::*;
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The system's allocator, which counts.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(now, Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The most bytes that a computation holds at once, in addition to those held before.
fn most<T>(compute: impl FnOnce() -> T) -> (usize, T) {
    let before = NOW.load(Relaxed);
    MOST.store(before, Relaxed);
    let result = compute();
    (MOST.load(Relaxed) - before, result)
}

const THREADS: usize = 2;
const FEW: usize = 1000;
const MANY: usize = 16 * FEW;

/// Asserts that a reduction of `rows` and `columns`, whose arrays hold so many bytes for each row, takes at most `allowed` bytes for each thread beside these.
fn assert_few_tiles<T>(
    bytes: usize,
    allowed: usize,
    run: impl Fn(usize, usize) -> Result<T, Error> + Sync,
) {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(THREADS)
        .build()
        .unwrap();
    pool.install(|| {
        // What is made once is not counted.
        run(FEW, FEW).unwrap();
        for (rows, columns) in [(FEW, FEW), (MANY, FEW), (FEW, MANY)] {
            let (most, result) = most(|| run(rows, columns));
            assert!(result.is_ok());
            let beside = most - rows * bytes;
            assert!(
                beside <= THREADS * allowed,
                "{rows} x {columns}: {beside} bytes"
            );
        }
    });
}

fn points(count: usize, dim: usize) -> Array2<f32> {
    Array2::from_shape_fn((count, dim), |(n, k)| {
        ((n * 7 + k * 3) % 101) as f32 / 101.0
    })
}

// One test, as the counts are of the whole process.
#[test]
fn reductions_take_a_few_tiles_for_each_thread() {
    let (all_x, all_b) = (points(MANY, 3), points(MANY, 2));
    let x = |count: usize| all_x.slice(s![..count, ..]);
    let b = |count: usize| all_b.slice(s![..count, ..]);
    let sum = genred!(
        "Exp(-SqDist(x,y))*b",
        x = Vi(3),
        y = Vj(3),
        b = Vj(2),
        axis = 1
    );
    assert_few_tiles(8, 256 << 10, |rows, columns| {
        sum.bind(x(rows), x(columns), b(columns)).run()
    });
    let exponentials = genred!(
        "-SqDist(x,y)",
        x = Vi(3),
        y = Vj(3),
        axis = 1,
        reduction = LogSumExp
    );
    assert_few_tiles(4, 256 << 10, |rows, columns| {
        exponentials.bind(x(rows), x(columns)).run()
    });
    // Ten values and ten indices, of which the values are dropped.
    let nearest = genred!(
        "SqDist(x,y)",
        x = Vi(3),
        y = Vj(3),
        axis = 1,
        reduction = ArgKMin(10)
    );
    assert_few_tiles(10 * (4 + 8), 512 << 10, |rows, columns| {
        nearest.bind(x(rows), x(columns)).run()
    });
    // The same points on both sides: each value is used twice, and the sums of all rows are kept in double precision.
    assert_few_tiles(8 + 16, 512 << 10, |count, _| {
        sum.bind(x(count), x(count), b(count)).run()
    });
}
