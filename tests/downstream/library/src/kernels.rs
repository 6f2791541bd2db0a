//! Kernels in all forms that expansions have, under lints that libraries choose one by one.

#![forbid(
    clippy::absolute_paths,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::alloc_instead_of_core,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::default_numeric_fallback,
    clippy::exhaustive_enums,
    clippy::expect_used,
    clippy::float_arithmetic,
    clippy::indexing_slicing,
    clippy::integer_division,
    clippy::missing_docs_in_private_items,
    clippy::missing_inline_in_public_items,
    clippy::multiple_unsafe_ops_per_block,
    clippy::panic,
    clippy::panic_in_result_fn,
    clippy::shadow_reuse,
    clippy::shadow_same,
    clippy::shadow_unrelated,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::undocumented_unsafe_blocks,
    clippy::unwrap_in_result,
    clippy::unwrap_used
)]
// What these say of an expansion is answered in it, or by an attribute of the item.
#![deny(
    clippy::exhaustive_structs,
    clippy::impl_trait_in_params,
    clippy::missing_asserts_for_indexing
)]

use keops_solve::{genred, kernel_solve, lazy};

genred!(
    /// A sum with gradients.
    #[non_exhaustive]
    pub Sum: "Exp(-g*SqDist(x,y))*b", x = Vi(3), y = Vj(3), b = Vj(1), g = Pm(1), axis = 1, grad = [x, y, b, g]
);

genred!(
    /// A sum of many components in many dimensions, computed by loops.
    #[non_exhaustive]
    pub Wide: |x: Vi(100), y: Vj(100), b: Vj(20)| (-x.sqdist(y)).exp() * b, axis = 0, grad = [x]
);

genred!(
    /// Nearest neighbours. Of these kernels this one can be made elsewhere.
    #[expect(clippy::exhaustive_structs, reason = "it has nothing to add")]
    pub Nearest: "SqDist(x,y)", x = Vi(3), y = Vj(3), reduction = KMin(3), axis = 1
);

genred!(
    /// A logarithm of a sum of exponentials with weights.
    #[non_exhaustive]
    pub Mixture: |x: Vi(3), y: Vj(3), w: Vj(2)| -x.sqdist(y), reduction = LogSumExp, weights = w, axis = 1, grad = [w]
);

kernel_solve!(
    /// A system with a matrix-valued kernel.
    #[non_exhaustive]
    pub Fields: "Exp(-SqDist(x,y))*((x-y)|b)*(x-y)", x = Vi(3), y = Vj(3), b = Vj(3), assume_symmetric, grad = [b]
);

lazy!(
    /// Constants that are in the standard library, and some that are near these.
    #[non_exhaustive]
    pub Constants: "3.14*x + 3.141592653589793*y + 0.6931*x*y - 2.718281828459045*y*y + Exp(1.618*x)", x = Vi(1), y = Vj(1)
);

genred!(Local: |x: Vi(2), y: Vj(2)| (x | y).tanh(), reduction = ArgMin, axis = 1);

/// The formulas of a kernel that is not public and of some that have no names.
#[inline]
#[must_use]
pub fn formulas(scale: f64) -> [&'static str; 4] {
    let captured =
        kernel_solve!(|x: Vi(2), y: Vj(2), b: Vj(1)| (-scale * x.sqdist(y)).exp() * b, grad = [x]);
    let plain = genred!(
        "SqDist(x,y)",
        x = Vi(2),
        y = Vj(2),
        reduction = MinArgMin,
        axis = 0,
        grad = [y]
    );
    let lazy = lazy!(|x: Vi(2), y: Vj(2)| (-(scale + 2) * x.sqdist(y)).exp());
    [
        Local.formula(),
        captured.formula(),
        plain.formula(),
        lazy.formula(),
    ]
}
