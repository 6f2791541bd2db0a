//! What the machine can do at most.

use std::hint::black_box;
use std::time::Instant;

/// Fused multiply-adds on vectors of 256 bits a second, in twelve chains that do not depend on each other; 0 where there is no AVX2.
pub(crate) fn instructions_per_second() -> f64 {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
        const ROUNDS: usize = 5_000_000;
        let start = Instant::now();
        // SAFETY: the features are there.
        black_box(unsafe { chains(ROUNDS) });
        return (12 * ROUNDS) as f64 / start.elapsed().as_secs_f64();
    }
    0.0
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn chains(rounds: usize) -> f32 {
    use std::arch::x86_64::{_mm256_cvtss_f32, _mm256_fmadd_ps, _mm256_set1_ps};
    let factor = _mm256_set1_ps(black_box(0.999));
    let term = _mm256_set1_ps(black_box(1e-3));
    let mut sums = [_mm256_set1_ps(1.0); 12];
    for _ in 0..rounds {
        for sum in &mut sums {
            *sum = _mm256_fmadd_ps(*sum, factor, term);
        }
    }
    sums.iter().map(|&sum| _mm256_cvtss_f32(sum)).sum()
}
