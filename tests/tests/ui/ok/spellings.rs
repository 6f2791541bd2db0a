//! Spellings that are accepted; that they mean what they should is the matter of other tests.

#![deny(warnings)]

use keops_solve::prelude::*;

genred!(Plain: "x + y", x = Vi(1), y = Vj(1), axis = 1);
lazy!(
    /// Documented.
    #[derive(PartialEq)]
    pub(crate) Documented: |x: Vi(1), y: Vj(1)| (x - y).abs(),
);

fn main() {
    // Commas and blanks.
    let _ = genred!("x+y", x = Vi(1), y = Vj(1), axis = 1,);
    let _ = genred!(r#" x
        + y "#, axis = 1, y = Vj(1), x = Vi(1), reduction = Sum);
    // Aliases with positions, and names that mean something elsewhere.
    let _ = genred!("x+y", y = Vj(1, 2), x = Vi(0, 2), axis = 0);
    let _ = genred!("Var(0,2,0) + Var(1,2,1)", x = Vi(2), y = Vj(2), axis = 0);
    let _ = genred!("type + axis", type = Vi(1), axis = Vj(1), axis = 1);
    let _ = genred!("Exp + Exp(y)", Exp = Vi(1), y = Vj(1), axis = 1);
    // Operators.
    let _ = genred!("(x|y) + x**2 - -y**-2 * (x <= y) / (x != y)", x = Vi(1), y = Vj(1), axis = 1);
    let _ = genred!("TensorDot(x,y,[2,3],Ind(3,2),(1,),[0])", x = Vi(6), y = Vj(6), axis = 1);
    // Closures.
    let sigma = 2.0;
    let _ = lazy!(|x: Vi(2), y: Vj(2)| (-x.sqdist(y) / sigma).exp());
    let _ = lazy!(|x: Vi(2), y: Vj(2),| {
        let r = x - y;
        let square = r[0] * r[0] + (r[1..2] | r[1..2]);
        (-square / (2.0_f64 * sigma)).exp()
    });
    let _ = lazy!(|x: Vi(2), y: Vj(2)| SqDist(x, y) + sqdist(&x, &y));
    // Solves.
    let _ = kernel_solve!("Exp(-SqDist(x,y))*b", x = Vi(2), y = Vj(2), b = Vj(1), var = b, axis = 1);
    let _ = kernel_solve!("(x|2*y)*b", x = Vi(2), y = Vj(2), b = Vj(1), var = b, assume_symmetric);
    let _ = (Plain, Documented == Documented);
}
