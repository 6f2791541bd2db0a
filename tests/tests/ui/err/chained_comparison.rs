use keops_solve::prelude::*;

fn main() {
    genred!("x < y < 1", x = Vi(1), y = Vj(1), axis = 1);
    genred!("(0 <= x) * (x <= y == 1)", x = Vi(1), y = Vj(1), axis = 1);
}
