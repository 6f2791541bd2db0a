//! Random numbers for the choice of pivots, and for probes.

/// A sequence of uniform numbers, the same in every run (SplitMix64: Steele, Lea and Flood 2014).
#[derive(Default)]
pub(in crate::solve) struct Random(u64);

impl Random {
    /// The sequence of a seed, of which none is the default.
    pub(in crate::solve) fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// A number of the standard normal distribution, by the method of Box and Muller.
    pub(in crate::solve) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// The next number, in `[0, 1)`.
    pub(super) fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
