//! The source of kernels for CUDA, for reading and checking.

use super::Orientation;
use super::operation::{Operation, Sum};
use crate::cpu::{Pairing, Weighted};
use crate::cuda::recipe::{Formula, Pairs, Recipe, Type};
use crate::input::Element;
use crate::kernel::Kernel;
use crate::options::{Accumulate, CallOptions};
use crate::signature::{Category, Signature};

/// The formula `P`, in an orientation; the kernel does not read the variable `unknown`.
fn formula<P: Pairing>(signature: &Signature, unknown: Option<usize>) -> Formula<'_> {
    let [i, j] = [Category::I, Category::J].map(|side| signature.components(side, unknown));
    let (row, column) = if P::ROWS_ARE_I { (i, j) } else { (j, i) };
    Formula::of::<P>(signature.formula, [row, column])
}

/// The complete CUDA source of a reduction of the kernel `K`.
#[doc(hidden)]
pub fn reduction_source<T: Element, K: Kernel, Op: Operation<T>, O: Orientation>(
    signature: &Signature,
    operation: Op,
    options: &CallOptions,
) -> String {
    let t = Type::of::<T::Compute>();
    let recipe = Recipe {
        formula: formula::<O::Pairing<K>>(signature, None),
        reduction: operation.on_device(options, t),
        pairs: Pairs::All,
        t,
        out: t,
    };
    recipe.source()
}

/// The complete CUDA source of the product of a matrix with `W` vectors, as a solve uses it: in double precision except for the
/// evaluation of the kernel. `unknown` is the variable that the vectors stand for, if it is one. With `W = 0` the kernel reads it.
#[doc(hidden)]
pub fn product_source<T: Element, K: Kernel, O: Orientation, const W: usize>(
    signature: &Signature,
    unknown: Option<usize>,
) -> String {
    let t = Type::of::<T::Compute>();
    let options = CallOptions {
        accumulate: Accumulate::F64,
        ..CallOptions::default()
    };
    let reduction = Operation::<T>::on_device(Sum, &options, t);
    let formula = if const { W == 0 } {
        formula::<O::Pairing<K>>(signature, None)
    } else {
        formula::<Weighted<O::Pairing<K>, W>>(signature, unknown)
    };
    let recipe = Recipe {
        formula,
        reduction,
        pairs: Pairs::All,
        t,
        out: Type::Double,
    };
    recipe.source()
}
