use keops_solve::prelude::*;

fn main() {
    genred!("Expp(-SqDist(x,y))", x = Vi(3), y = Vj(3), axis = 1);
    genred!("Exp(-SqrDist(x,y)) * Bessel(x)", x = Vi(3), y = Vj(3), axis = 1);
    genred!("Bessel(x - y)", x = Vi(3), y = Vj(3), axis = 1);
    genred!(|x: Vi(3), y: Vj(3)| (-x.sqdst(y)).exp(), axis = 1);
    genred!(|x: Vi(3), y: Vj(3)| (x - y).bessel(), axis = 1);
}
