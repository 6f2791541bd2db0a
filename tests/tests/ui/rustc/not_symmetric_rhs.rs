use keops_solve::ndarray::array;
use keops_solve::prelude::*;

fn main() {
    let shifted = lazy!("Exp(-SqDist(x,2*y))", x = Vi(1), y = Vj(1));
    let x = array![[0.0], [1.0]];
    let b = array![1.0, 2.0];
    let _ = shifted.bind(&x, &x).rhs(&b).solve();
}
