use keops_solve::prelude::*;

fn main() {
    genred!("Exp(x, y)", x = Vi(1), y = Vj(1), axis = 1);
    genred!("SqDist(x)", x = Vi(1), y = Vj(1), axis = 1);
    genred!("Grad(x*y)", x = Vi(1), y = Vj(1), axis = 1);
    genred!("Exp + y", y = Vj(1), axis = 1);
    genred!("x(y)", x = Vi(1), y = Vj(1), axis = 1);
    genred!("Sum_Reduction(x*y, 0)", x = Vi(1), y = Vj(1), axis = 1);
    genred!("Vi(3) * y", y = Vj(1), axis = 1);
    genred!(|x: Vi(1), y: Vj(1)| x.exp(y), axis = 1);
    genred!(|x: Vi(1), y: Vj(1)| x.sqdist(), axis = 1);
    genred!(|x: Vi(2), y: Vj(2)| (x - y).abs().sum(-1), axis = 1);
}
