//! Variables that the formula declares itself, and names that expansions use.

#![deny(warnings)]

use keops_solve::ndarray::array;
use keops_solve::prelude::*;

fn main() {
    let x = array![[1.0], [2.0]];
    let declared = genred!("Var(0,1,0) * Var(1,1,1)", axis = 1);
    assert_eq!(declared.bind(&x, &x).run().unwrap(), array![[3.0], [6.0]]);
    let solved = kernel_solve!("Exp(-9*SqDist(Var(0,1,0), Var(1,1,1))) * Var(2,1,1)", axis = 1);
    assert!(solved.bind(&x, &x, &x).alpha(1.0).solve().is_ok());
    let names = genred!("SIGNATURE * T + K * s", SIGNATURE = Vi(1), T = Vj(1), K = Vi(1), s = Pm(1), axis = 1);
    assert_eq!(names.bind(&x, &x, &x, 1.0).run().unwrap(), array![[5.0], [10.0]]);
}
