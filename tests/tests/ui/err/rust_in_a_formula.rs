use keops_solve::prelude::*;

fn main() {
    let scales = [1.0, 2.0];
    lazy!(|x: Vi(1), y: Vj(1)| if x < y { x } else { y });
    lazy!(|x: Vi(1), y: Vj(1)| (x - y) as f64);
    lazy!(|x: Vi(1), y: Vj(1)| (x - y) ^ 2);
    lazy!(|x: Vi(1), y: Vj(1)| x * y.x);
    lazy!(|x: Vi(1), y: Vj(1)| (x - y) / f64::sqrt(2.0));
    lazy!(|x: Vi(1), y: Vj(1)| (x - y) / scales.len());
    lazy!(|x: Vi(1), y: Vj(1)| x * y;);
}
