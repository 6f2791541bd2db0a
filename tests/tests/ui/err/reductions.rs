use keops_solve::prelude::*;

fn main() {
    genred!("-SqDist(x,y)", x = Vi(2), y = Vj(2), axis = 1, reduction = SumSoftMaxWeight);
    genred!("-SqDist(x,y)", x = Vi(2), y = Vj(2), axis = 1, reduction = ArgMin, weights = "y");
    genred!("-SqDist(x,y)", x = Vi(2), y = Vj(2), axis = 1, weights = "y");
    genred!("x - y", x = Vi(2), y = Vj(2), axis = 1, reduction = LogSumExp, weights = "y");
    genred!(|x: Vi(2), y: Vj(2)| x - y, axis = 1, reduction = SumSoftMaxWeight, weights = y);
    genred!("-SqDist(x,y)", x = Vi(2), y = Vj(2), axis = 1, reduction = LogSumExp, weights = "2*z");
    genred!("-SqDist(x,y)", x = Vi(2), y = Vj(2), axis = 1, reduction = ArgKMin);
    genred!("-SqDist(x,y)", x = Vi(2), y = Vj(2), axis = 1, reduction = KMin(0));
    genred!("-SqDist(x,y)", x = Vi(2), y = Vj(2), axis = 1, reduction = Max(3));
}
