use keops_solve::prelude::*;

fn main() {
    let sigma = "0.5";
    let scales = [1.0, 2.0];
    lazy!(|x: Vi(1), y: Vj(1)| (-(x - y).sqnorm2() / sigma).exp());
    lazy!(|x: Vi(1), y: Vj(1)| (-(x - y).sqnorm2() / scales).exp());
}
