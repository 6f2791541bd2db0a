use keops_solve::prelude::*;

lazy!(pub Gaussian: |x: Vi(1), y: Vj(1)| (-(x - y).sqnorm2() / (2.0 * sigma * sigma)).exp());

fn main() {}
