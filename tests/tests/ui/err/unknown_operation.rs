use keops_solve::prelude::*;

fn main() {
    genred!("Expp(-SqDist(x,y))", x = Vi(3), y = Vj(3), axis = 1);
    genred!("Exp(-SqrDist(x,y)) * Airyyy(x)", x = Vi(3), y = Vj(3), axis = 1);
    genred!("Airyyy(x - y)", x = Vi(3), y = Vj(3), axis = 1);
    genred!(|x: Vi(3), y: Vj(3)| (-x.sqdst(y)).exp(), axis = 1);
    genred!(|x: Vi(3), y: Vj(3)| (x - y).airyyy(), axis = 1);
}
