use keops_solve::prelude::*;

fn main() {
    lazy!(|x: Vi(3), y: Vj(3)| (-gama * x.sqdist(y)).exp());
}
