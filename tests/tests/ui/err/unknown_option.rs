use keops_solve::prelude::*;

fn main() {
    genred!("Exp(-SqDist(x,y))", x = Vi(2), y = Vj(2), axsi = 1);
    genred!("Exp(-SqDist(x,y))", x = Vi(2), y = Vj(2), axis = 1, threads = 4);
    genred!("Exp(-SqDist(x,y))", x = Vi(2), y = Vj(2), axis = 1, var = x);
    genred!("Exp(-SqDist(x,y))", x = Vi(2), y = Vj(2), axis = 1, reduction = Summ);
    genred!("Exp(-SqDist(x,y))", x = Vk(2), y = Vj(2), axis = 1);
    genred!("Exp(-SqDist(x,y))", x = Vi(2.0), y = Vj(2), axis = 1);
    genred!("Exp(-SqDist(x,y))", x = Vi(0), y = Vj(2), axis = 1);
    lazy!(|x: Vi(2), y: Vj(2)| (-x.sqdist(y)).exp(), axis = 1);
    lazy!(|x: Vi(2), y: Vj(2)| (-x.sqdist(y)).exp(), z = Pm(1));
    lazy!(|x, y: Vj(2)| (-x.sqdist(y)).exp());
}
