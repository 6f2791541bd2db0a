use keops_solve::prelude::*;

fn main() {
    genred!(|x: Vi(1), y: Vj(1)| x < y < 1, axis = 1);
}
